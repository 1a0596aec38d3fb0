"use strict";
(() => {
  const sift = document.getElementById("sift");
  const told = document.getElementById("sifted");
  const claims = [...document.querySelectorAll("section.year article.claim")];

  function chosen(name) {
    return new Set([...sift.elements].filter((box) => box.name === name && box.checked).map((box) => box.value));
  }

  function render() {
    const [verdicts, kinds] = [chosen("verdict"), chosen("kind")];
    const wrong = sift.elements.wrong.checked;
    const left = new Set();
    for (const claim of claims) {
      const { verdict, kind } = claim.dataset;
      const kept = verdicts.has(verdict) && kinds.has(kind) && (!wrong || "wrong" in claim.dataset);
      claim.hidden = !kept;
      if (kept) left.add(claim.id);
    }
    for (const mark of document.querySelectorAll("[data-of]")) mark.classList.toggle("out", !left.has(mark.dataset.of));
    for (const year of document.querySelectorAll("section.year")) {
      year.hidden = !year.querySelector("article:not([hidden])");
    }
    told.textContent = left.size === claims.length ? "" : `${left.size} of ${claims.length} claims are shown.`;
  }

  function reveal() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.closest("[hidden]")) return;
    sift.reset();
    render();
    target.scrollIntoView();
  }

  sift.hidden = false;
  sift.addEventListener("change", render);
  addEventListener("hashchange", reveal);
  render();
})();
