"use strict";
(() => {
  const { networks } = JSON.parse(document.getElementById("payload").textContent);
  const selects = [...document.querySelectorAll(".choices select")];
  const sides = document.getElementById("sides");
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
    if (n < 995e3) return (n / 1e6).toFixed(2) + gap + "M";
    return n < 999.5e6 ? three(n / 1e6) + gap + "M" : three(n / 1e9) + gap + "G";
  }

  function measured(value, most) {
    const cell = make("td", count(value));
    const bar = make("i", "", { class: "bar", "aria-hidden": "true" });
    bar.style.width = (100 * value) / most + "%";
    cell.append(bar);
    return cell;
  }

  function table(network, most) {
    const rows = make("table", "", { class: "blocks" });
    const head = rows.createTHead().insertRow();
    for (const title of ["Block", "Output", "MACs", "Parameters"]) {
      head.append(make("th", title, { scope: "col" }));
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
    foot.append(make("td", count(network.macs)), make("td", count(network.params)));
    return rows;
  }

  function times(ratio) {
    return ratio < 10 ? three(Math.round(ratio * 10) / 10) : Number(ratio.toPrecision(2)).toLocaleString("en");
  }

  function compared(first, second, key, unit) {
    const ratio = networks[first][key] / networks[second][key];
    if (ratio > 0.995 && ratio < 1.005) return `as many ${unit}`;
    return ratio > 1 ? `${times(ratio)} times as many ${unit}` : `${times(1 / ratio)} times fewer ${unit}`;
  }

  function told([first, second]) {
    if (first === second) return `${first}, twice`;
    const macs = compared(first, second, "macs", "operations");
    const params = compared(first, second, "params", "parameters");
    return `${first} does ${macs} ${macs.includes("fewer") ? "than" : "as"} ${second}, with ${params}`;
  }

  function side(name, most) {
    const network = networks[name];
    const title = make("h4");
    const what = `${network.family}, ${network.year}, ${network.size}${gap}px`;
    title.append(make("span", name, { class: "name" }), " ", make("span", what, { class: "quiet" }));
    const article = make("article");
    article.append(title, table(network, most));
    return article;
  }

  function render() {
    const names = selects.map((select) => select.value).filter((name) => Object.hasOwn(networks, name));
    const rows = names.flatMap((name) => networks[name].rows);
    const most = { macs: Math.max(...rows.map((row) => row[3])), params: Math.max(...rows.map((row) => row[4])) };
    sides.replaceChildren(...names.map((name) => side(name, most)));
    story.textContent = told(names);
  }

  for (const select of selects) select.addEventListener("change", render);
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
