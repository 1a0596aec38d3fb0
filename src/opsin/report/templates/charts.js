"use strict";
(() => {
  const payload = JSON.parse(document.getElementById("payload").textContent);
  const tip = document.getElementById("tip");

  function showTip(_handler, event, _item, value) {
    tip.hidden = !value;
    if (!value) return;
    tip.replaceChildren();
    for (const [name, text] of Object.entries(value)) {
      const line = document.createElement("div");
      const label = document.createElement("span");
      label.textContent = name;
      line.append(label, String(text));
      tip.append(line);
    }
    const room = 12;
    const left = Math.min(event.clientX + room, innerWidth - tip.offsetWidth - room);
    const above = event.clientY - tip.offsetHeight - room;
    tip.style.left = Math.max(room, left) + "px";
    tip.style.top = (above > room ? above : event.clientY + room) + "px";
  }

  // A record whose places are lists stands for as many records.
  function spread(each) {
    if (!Array.isArray(each.x)) return [each];
    const places = Object.keys(each).filter((key) => ["x", "y", "x2", "y2"].includes(key));
    return each.x.map((_, k) => Object.assign({}, each, Object.fromEntries(places.map((key) => [key, each[key][k]]))));
  }

  async function draw(element) {
    const { spec, data, frame } = payload.views[element.dataset.chart];
    const own = Object.assign(structuredClone(payload.specs[spec]), frame);
    for (const set of own.data) if (set.name in data) set.values = payload.data[data[set.name]].flatMap(spread);
    const options = { mode: "vega", renderer: "svg", actions: false, defaultStyle: false, ast: true, tooltip: showTip };
    await vegaEmbed(element, own, options);
    const svg = element.querySelector("svg");
    svg.setAttribute("aria-hidden", "true");
    svg.style.maxWidth = 1.25 * svg.viewBox.baseVal.width + "px";
    element.dataset.rendered = "true";
  }

  async function drawAll() {
    const all = [...document.querySelectorAll("[data-chart]")];
    const shown = new Set(all.filter((element) => element.offsetParent));
    const charts = [...shown, ...all.filter((element) => !shown.has(element))];
    let [failed, rested] = [0, performance.now()];
    for (const element of charts) {
      if (performance.now() - rested > 60) {
        await new Promise((resume) => setTimeout(resume)); // a page of many charts answers while they are drawn
        rested = performance.now();
      }
      try {
        await draw(element);
      } catch (error) {
        failed += 1;
        element.dataset.rendered = "failed";
        element.textContent = "This chart could not be drawn: " + error.message;
        console.error(error);
      }
    }
    document.documentElement.dataset.charts = failed ? `${failed} failed` : `${charts.length} rendered`;
  }

  const opened = [];
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      opened.push(details);
    }
  });
  addEventListener("afterprint", () => {
    while (opened.length) opened.pop().open = false;
  });

  drawAll();
})();
