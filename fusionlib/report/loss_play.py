"""Let the reader point at a pixel and see its loss: a picture to click, a figure elsewhere."""

from pathlib import Path

from matplotlib.figure import Figure

from fusionlib.report.live import live_or_still
from fusionlib.report.loss_board import SIDES, LossBoard

STEP = 0.02  # of the infrared slider, in grey levels from 0 to 1


def play(board: LossBoard, path: Path | None) -> Figure | None:
    """Show a board to be moved; keep its beginning in `path`.

    In a live notebook a click chooses the pixel, sliders the square that moves
    as one and the infrared level there; `board.place` follows. See
    `live_or_still`.
    """
    return live_or_still(board.figure(), path, lambda: _controls(board))


def _controls(board: LossBoard):
    import ipywidgets

    from fusionlib.report.pixel_picker import PixelPicker

    sides = sorted({*SIDES, board.place.side})
    picker = PixelPicker(
        image=board.scene_png("infrared"), name="infrared",
        place=[board.place.y, board.place.x], margin=sides[-1] // 2,
    )  # fmt: skip
    scene = ipywidgets.ToggleButtons(options=["infrared", "visible", "fused"])
    scene.style.button_width = "auto"
    side = ipywidgets.SelectionSlider(options=sides, value=board.place.side, description="square")
    warmth = ipywidgets.FloatSlider(min=0, max=1, step=STEP, description="infrared")
    # Beside the scene where there is room, below it where there is not.
    room = ipywidgets.Layout(flex="1 1 480px", min_width="0", max_width="760px", height="auto")
    picture, table = ipywidgets.Image(format="png", layout=room), ipywidgets.HTML()

    def show() -> None:
        picture.value = board.png()
        table.value = board.table().round(4).to_html(border=0)

    def move(*_) -> None:
        board.move(*picker.place, side.value)
        warmth.unobserve(warm, "value")  # it follows the place, and changes nothing
        warmth.value = board.ir[0, board.place.y, board.place.x].item()
        warmth.observe(warm, "value")
        show()

    def warm(change) -> None:
        # The page rounds to its steps and tells so: that is no wish of the reader.
        level = None if abs(change["new"] - board.found) <= STEP / 2 else change["new"]
        if level != board.infrared:
            board.infrared = level
            show()

    def change_scene(change) -> None:
        with picker.hold_sync():
            picker.image, picker.name = board.scene_png(change["new"]), change["new"]

    picker.observe(move, "place")
    side.observe(move, "value")
    scene.observe(change_scene, "value")
    move()
    left = ipywidgets.VBox([scene, picker, side, warmth])
    wrap = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")
    above = ipywidgets.HBox([left, picture], layout=wrap)
    box = ipywidgets.VBox([above, table])
    # For those who steer it by a program, such as tests.
    box.parts = {"picker": picker, "scene": scene, "side": side, "warmth": warmth,
                 "picture": picture, "table": table}  # fmt: skip
    return box
