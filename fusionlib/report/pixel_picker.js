// An image and a mark on one of its pixels; a click or the arrow keys move the mark.

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "fusionlib-picker";
  const image = document.createElement("img");
  image.draggable = false;
  const mark = document.createElement("div");
  mark.className = "fusionlib-mark";
  mark.tabIndex = 0;
  mark.setAttribute("role", "application");
  root.append(image, mark);
  el.appendChild(root);

  function choose(row, column) {
    if (!image.naturalHeight) return;
    const margin = model.get("margin");
    model.set("place", [clamp(row, margin, image.naturalHeight - 1 - margin),
                        clamp(column, margin, image.naturalWidth - 1 - margin)]);
    model.save_changes();
  }

  root.addEventListener("click", (event) => {
    const area = image.getBoundingClientRect();
    choose(Math.floor(((event.clientY - area.top) / area.height) * image.naturalHeight),
           Math.floor(((event.clientX - area.left) / area.width) * image.naturalWidth));
  });

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  mark.addEventListener("keydown", (event) => {
    const by = steps[event.key], [row, column] = model.get("place");
    if (!by) return;
    choose(row + by[0], column + by[1]);
    event.preventDefault();
    event.stopPropagation();
  });

  function drawMark() {
    const [row, column] = model.get("place");
    mark.setAttribute("aria-label", `row ${row}, column ${column}; move with the arrow keys`);
    if (!image.naturalHeight) return;
    mark.style.top = `${(100 * (row + 0.5)) / image.naturalHeight}%`;
    mark.style.left = `${(100 * (column + 0.5)) / image.naturalWidth}%`;
  }

  function drawImage() {
    const old = image.src;
    image.onload = drawMark;
    image.src = URL.createObjectURL(new Blob([model.get("image")], { type: "image/png" }));
    image.alt = model.get("name");
    if (old) URL.revokeObjectURL(old);
  }

  model.on("change:place", drawMark);
  model.on("change:image", drawImage);
  drawImage();
  return () => {
    model.off("change:place", drawMark);
    model.off("change:image", drawImage);
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
