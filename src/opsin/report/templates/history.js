"use strict";
(() => {
  const { networks } = JSON.parse(document.getElementById("payload").textContent);
  const sides = [...document.querySelectorAll("[data-side]")];
  const story = document.getElementById("blocks-story");
  const gap = "\u00a0";

  function make(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  const three = (x) => x.toLocaleString("en", { maximumSignificantDigits: 3 });

  function count(n) {
    if (n < 99950) return n.toLocaleString("en");
    return n < 999.5e6 ? three(n / 1e6) + gap + "M" : three(n / 1e9) + gap + "G";
  }

  function measured(value, most) {
    const cell = make("td", count(value), { class: "n" });
    const bar = make("i", "", { class: "bar", "aria-hidden": "true" });
    bar.style.width = (100 * value) / most + "%";
    cell.append(bar);
    return cell;
  }

  function table(network, most) {
    const rows = make("table", "", { class: "blocks" });
    const head = rows.createTHead().insertRow();
    for (const title of ["Block", "Output", "MACs", "Parameters"]) {
      head.append(make("th", title, { scope: "col", class: title === "MACs" || title === "Parameters" ? "n" : "" }));
    }
    const body = rows.createTBody();
    for (const [name, kind, shape, macs, params, times] of network.rows) {
      const row = body.insertRow();
      const block = make("th", "", { scope: "row" });
      block.append(make("code", name), make("span", (times > 1 ? times + " × " : "") + kind, { class: "quiet" }));
      row.append(block, make("td", shape), measured(macs, most.macs), measured(params, most.params));
    }
    const foot = rows.createTFoot().insertRow();
    foot.append(make("th", "Total", { scope: "row" }), make("td"));
    foot.append(make("td", count(network.macs), { class: "n" }), make("td", count(network.params), { class: "n" }));
    return rows;
  }

  function times(ratio) {
    return ratio < 10 ? three(Math.round(ratio * 10) / 10) : Number(ratio.toPrecision(2)).toLocaleString("en");
  }

  function compared(name, other, key, unit) {
    const ratio = networks[name][key] / networks[other][key];
    if (ratio > 0.995 && ratio < 1.005) return `as many ${unit} as`;
    return ratio > 1 ? `${times(ratio)} times as many ${unit} as` : `${times(1 / ratio)} times fewer ${unit} than`;
  }

  function told(names) {
    const [first, second] = names;
    if (first === second) return `${first} twice`;
    const macs = compared(first, second, "macs", "operations");
    const params = compared(first, second, "params", "parameters");
    return `${first} has ${macs} ${second}, and ${params} it`;
  }

  function render() {
    const names = sides.map((side) => side.querySelector("select").value);
    const chosen = names.filter((name) => name in networks);
    const all = chosen.flatMap((name) => networks[name].rows);
    const most = { macs: Math.max(...all.map((row) => row[3])), params: Math.max(...all.map((row) => row[4])) };
    sides.forEach((side, k) => {
      const network = networks[names[k]];
      const rows = side.querySelector(".rows");
      rows.replaceChildren();
      side.toggleAttribute("data-empty", !network);
      if (!network) return;
      const title = make("h4");
      const what = `${network.family}, ${network.year}, ${network.size}${gap}px`;
      title.append(make("span", names[k], { class: "name" }), " ", make("span", what, { class: "quiet" }));
      rows.append(title, table(network, most));
    });
    story.textContent = told(chosen);
  }

  for (const side of sides) side.querySelector("select").addEventListener("change", render);
  render();

  function reveal() {
    const target = location.hash.startsWith("#card-") && document.getElementById(location.hash.slice(1));
    if (!target) return;
    target.closest("details").open = true;
    target.scrollIntoView();
  }
  addEventListener("hashchange", reveal);
  reveal();
})();
