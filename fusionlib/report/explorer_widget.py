"""The explorer's menus around its curtain, for a live notebook."""

import tempfile
from dataclasses import replace
from pathlib import Path

import ipywidgets

from fusionlib.data.datasets import NOT_PASSED_ON
from fusionlib.errors import FusionError
from fusionlib.inference import PROTOCOLS
from fusionlib.report.curtain import Curtain
from fusionlib.report.explorer import YOURS, Explorer
from fusionlib.report.panels import telling_boxes
from fusionlib.report.style import save_figure


def controls(explorer: Explorer, save_to: Path) -> ipywidgets.VBox:
    """Menus, curtain and metrics of an explorer, wired to each other."""
    seen = explorer.seen
    wide = {"layout": ipywidgets.Layout(width="auto", min_width="230px")}
    dataset = ipywidgets.Dropdown(
        options=list(explorer.scenes), value=seen.dataset, description="data set", **wide
    )
    image = ipywidgets.Dropdown(
        options=_names(explorer, seen.dataset), value=seen.image, description="pair", **wide
    )
    left, right = (
        ipywidgets.Dropdown(
            options=explorer.views.names, value=getattr(seen, side), description=side, **wide
        )
        for side in ("left", "right")
    )
    protocol = ipywidgets.Dropdown(
        options=list(dict.fromkeys((seen.protocol, *PROTOCOLS))), description="protocol", **wide
    )
    side = ipywidgets.FloatSlider(
        value=seen.box[2], min=0.05, max=0.6, step=0.01, description="box", **wide
    )
    curtain, metrics = Curtain(box=list(seen.box)), ipywidgets.HTML()
    save = ipywidgets.Button(description="save picture", icon="download")
    code, told = ipywidgets.HTML(), ipywidgets.HTML()
    uploads = {
        name: ipywidgets.FileUpload(accept="image/*", description=f"your {name}")
        for name in ("infrared", "visible")
    }

    def show(*_) -> None:
        """Bring everything up to date with the menus."""
        explorer.seen = replace(
            explorer.seen, dataset=dataset.value, image=image.value, left=left.value,
            right=right.value, protocol=protocol.value,
        )  # fmt: skip
        with curtain.hold_sync():
            for name in ("left", "right"):
                setattr(curtain, name, explorer.picture(explorer.seen, name))
                setattr(curtain, f"{name}_name", getattr(explorer.seen, name))
            curtain.scene = f"{dataset.value} {image.value}"
            curtain.shown += 1
        save.disabled = dataset.value in NOT_PASSED_ON
        metrics.value = explorer.table().round(3).to_html(na_rep="", border=0)
        tell_code()

    def tell_code(*_) -> None:
        explorer.seen = replace(explorer.seen, position=curtain.position, box=tuple(curtain.box))
        code.value = f"<code>{explorer.seen.code}</code>"

    def change_set(change) -> None:
        names = _names(explorer, change["new"])
        image.unobserve(show, "value")  # the names change first, and then what is seen, once
        image.options = names
        image.value = names[0]
        image.observe(show, "value")
        pair = explorer.pair(change["new"], names[0])
        first, *_ = telling_boxes(pair.ir, pair.vi)
        curtain.box = [first[0], first[1], side.value]
        show()

    def change_side(change) -> None:
        curtain.box = [*curtain.box[:2], change["new"]]

    def save_picture(_) -> None:
        now = explorer.seen
        file = save_to / f"{now.dataset}_{now.image}_{now.left}_{now.right}.png".replace(" ", "")
        save_figure(explorer.figure(**vars(now)), file)
        told.value = f"written: {file}"

    def take_upload(_) -> None:
        if not all(upload.value for upload in uploads.values()):
            return
        try:
            explorer.add(*(_as_file(name, upload.value[0]) for name, upload in uploads.items()))
        except FusionError as error:
            told.value = f"<b>{error}</b>"
            return
        told.value = ""
        dataset.options = list(explorer.scenes)
        dataset.value = YOURS  # new options have chosen the first one

    dataset.observe(change_set, "value")
    for menu in (image, left, right, protocol):
        menu.observe(show, "value")
    side.observe(change_side, "value")
    curtain.observe(tell_code, ["position", "box"])
    save.on_click(save_picture)
    for upload in uploads.values():
        upload.observe(take_upload, "value")
    show()
    menus = ipywidgets.HBox(
        [dataset, image, left, right, protocol, side],
        layout=ipywidgets.Layout(flex_flow="row wrap"),
    )
    below = ipywidgets.HBox(
        [save, *uploads.values(), told], layout=ipywidgets.Layout(flex_flow="row wrap")
    )
    box = ipywidgets.VBox([menus, curtain, metrics, below, code])
    # For those who steer it by a program, such as tests.
    box.parts = {
        "dataset": dataset, "image": image, "left": left, "right": right, "protocol": protocol,
        "side": side, "curtain": curtain, "metrics": metrics, "save": save, "code": code,
        "told": told, **uploads,
    }  # fmt: skip
    return box


def _names(explorer: Explorer, dataset: str) -> list[str]:
    return [pair.name for pair in explorer.scenes[dataset]]


def _as_file(side: str, upload: dict) -> Path:
    """An uploaded image as a file, which all formats can be read from."""
    file = Path(tempfile.mkdtemp(prefix=f"fusionlib-{side}-")) / Path(upload["name"]).name
    file.write_bytes(upload["content"])
    return file
