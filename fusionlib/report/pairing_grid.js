// A grid of small pictures: a click on a cell lets an infrared patch (row) meet a visible one
// (column), or parts them. What that changes is computed by the kernel and drawn elsewhere.

function render({ model, el }) {
  const rows = model.get("rows"), columns = model.get("columns");
  const url = URL.createObjectURL(new Blob([model.get("sprite")], { type: "image/png" }));
  const grid = document.createElement("div");
  grid.className = "fusionlib-pairing";
  grid.style.gridTemplateColumns = `repeat(${columns + 1}, minmax(0, 1fr))`;
  el.appendChild(grid);

  function add(kind, name, row, column) {
    const cell = document.createElement(kind);
    cell.className = "fusionlib-" + name;
    // All pictures are one image: each cell shows its own part.
    cell.style.backgroundImage = `url(${url})`;
    cell.style.backgroundSize = `${100 * (columns + 1)}% ${100 * (rows + 1)}%`;
    cell.style.backgroundPosition = `${(100 * column) / columns}% ${(100 * row) / rows}%`;
    grid.appendChild(cell);
    return cell;
  }

  const same = (pair, i, j) => pair[0] === i && pair[1] === j;
  const cells = [];
  for (let row = 0; row <= rows; row++) {
    for (let column = 0; column <= columns; column++) {
      const i = row - 1, j = column - 1;
      if (row && column) {
        const cell = add("button", i === j ? "meeting fusionlib-strict" : "meeting", row, column);
        cell.addEventListener("click", () => toggle(i, j));
        cell.addEventListener("keydown", (event) => step(event, i, j));
        cells.push({ cell, i, j });
        continue;
      }
      const name = row ? `infrared ${i}` : column ? `visible ${j}` : "";
      const picture = add("div", name ? "patch" : "corner", row, column);
      const label = document.createElement("span");
      label.textContent = row ? `ir ${i}` : column ? `vi ${j}` : "ir ↓  vi →";
      picture.appendChild(label);
      if (name) {
        picture.setAttribute("role", "img");
        picture.setAttribute("aria-label", name);
      }
    }
  }

  function toggle(i, j) {
    const before = model.get("pairs");
    const others = before.filter((pair) => !same(pair, i, j));
    model.set("looked", [i, j]);
    model.set("pairs", others.length < before.length ? others : [...before, [i, j]]);
    model.save_changes();
  }

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  function step(event, i, j) {
    const by = steps[event.key];
    if (!by) return;
    const next = cells.find((other) => other.i === i + by[0] && other.j === j + by[1]);
    if (next) next.cell.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  function draw() {
    const looked = model.get("looked");
    for (const { cell, i, j } of cells) {
      const meets = model.get("pairs").some((pair) => same(pair, i, j));
      cell.setAttribute("aria-pressed", String(meets));
      cell.setAttribute("aria-label",
        `infrared ${i} ${meets ? "meets" : "does not meet"} visible ${j}`);
      cell.classList.toggle("fusionlib-looked", same(looked, i, j));
    }
  }

  model.on("change:pairs", draw);
  model.on("change:looked", draw);
  draw();
  return () => {
    model.off("change:pairs", draw);
    model.off("change:looked", draw);
    URL.revokeObjectURL(url);
  };
}

export default { render };
