// Two images of one scene, a curtain between them, and a box that is enlarged in both.
//
// All that moves here moves in the browser: no kernel is asked while the reader drags.

function blobUrl(bytes) {
  return URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
}

function element(kind, name, parent) {
  const made = document.createElement(kind);
  made.className = "fusionlib-" + name;
  parent.appendChild(made);
  return made;
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function render({ model, el }) {
  const root = element("div", "explorer", el);
  const scene = element("div", "scene", root);
  const right = element("img", "right", scene);
  const left = element("img", "left", scene);
  const frame = element("div", "frame", scene);
  const handle = element("div", "handle", scene);
  const names = { left: element("span", "name fusionlib-at-left", scene),
                  right: element("span", "name fusionlib-at-right", scene) };
  const zooms = element("div", "zooms", root);
  const lenses = { left: element("canvas", "lens", zooms), right: element("canvas", "lens", zooms) };

  left.draggable = right.draggable = false;
  handle.tabIndex = frame.tabIndex = 0;
  handle.setAttribute("role", "slider");
  handle.setAttribute("aria-label", "curtain: share of the left image, in per cent");
  handle.setAttribute("aria-valuemin", "0");
  handle.setAttribute("aria-valuemax", "100");
  frame.setAttribute("role", "img");
  frame.setAttribute("aria-label", "enlarged box; move it with the arrow keys");

  function drawPosition() {
    const percent = 100 * model.get("position");
    left.style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
    handle.style.left = `${percent}%`;
    handle.setAttribute("aria-valuenow", percent.toFixed(0));
  }

  // The box is a square: x and y of its centre and its side, in shares of width, height, height.
  function drawBox() {
    const [x, y, side] = model.get("box");
    const high = right.naturalHeight, wide = right.naturalWidth;
    if (!high) return;
    const pixels = side * high;
    const top = clamp(y * high - pixels / 2, 0, high - pixels);
    const start = clamp(x * wide - pixels / 2, 0, wide - pixels);
    frame.style.left = `${(100 * start) / wide}%`;
    frame.style.top = `${(100 * top) / high}%`;
    frame.style.width = `${(100 * pixels) / wide}%`;
    frame.style.height = `${100 * side}%`;
    for (const [name, image] of [["left", left], ["right", right]]) {
      const lens = lenses[name];
      lens.width = lens.height = 240;
      const brush = lens.getContext("2d");
      brush.imageSmoothingEnabled = false;
      if (image.naturalHeight) {
        brush.drawImage(image, start, top, pixels, pixels, 0, 0, 240, 240);
      }
      lens.setAttribute("role", "img");
      lens.setAttribute("aria-label", `${model.get(name + "_name")}, enlarged`);
    }
  }

  function drawImage(name, image) {
    const old = image.src;
    image.onload = () => { drawBox(); root.dataset[name] = String(model.get("shown")); };
    image.src = blobUrl(model.get(name));
    image.alt = `${model.get(name + "_name")} of ${model.get("scene")}`;
    names[name].textContent = model.get(name + "_name");
    if (old) URL.revokeObjectURL(old);
  }

  const drawLeft = () => drawImage("left", left);
  const drawRight = () => drawImage("right", right);

  function place(event) {
    const area = scene.getBoundingClientRect();
    return [clamp((event.clientX - area.left) / area.width, 0, 1),
            clamp((event.clientY - area.top) / area.height, 0, 1)];
  }

  // Near the curtain a drag moves it; anywhere else, the box.
  let moves = null;
  function follow(event) {
    const [x, y] = place(event);
    if (moves === "curtain") model.set("position", x);
    else model.set("box", [x, y, model.get("box")[2]]);
  }
  scene.addEventListener("pointerdown", (event) => {
    const near = 14 / scene.getBoundingClientRect().width;
    moves = Math.abs(place(event)[0] - model.get("position")) < near ? "curtain" : "box";
    scene.setPointerCapture(event.pointerId);
    follow(event);
    event.preventDefault();
  });
  scene.addEventListener("pointermove", (event) => { if (moves) follow(event); });
  const release = () => { if (moves) { moves = null; model.save_changes(); } };
  scene.addEventListener("pointerup", release);
  scene.addEventListener("pointercancel", release);

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  handle.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    model.set("position", clamp(model.get("position") + 0.02 * (step[0] || -step[1]), 0, 1));
    model.save_changes();
    event.preventDefault();
  });
  frame.addEventListener("keydown", (event) => {
    const step = steps[event.key], [x, y, side] = model.get("box");
    if (!step) return;
    model.set("box", [clamp(x + 0.02 * step[0], 0, 1), clamp(y + 0.02 * step[1], 0, 1), side]);
    model.save_changes();
    event.preventDefault();
  });

  model.on("change:position", drawPosition);
  model.on("change:box", drawBox);
  model.on("change:left", drawLeft);
  model.on("change:right", drawRight);
  drawLeft();
  drawRight();
  drawPosition();
  return () => {
    model.off("change:position", drawPosition);
    model.off("change:box", drawBox);
    model.off("change:left", drawLeft);
    model.off("change:right", drawRight);
    for (const image of [left, right]) URL.revokeObjectURL(image.src);
  };
}

export default { render };
