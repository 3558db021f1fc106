// Keys and ticks. Every act works without this file: it only saves ways to the mouse.
"use strict";

(() => {
  const rows = () => Array.from(document.querySelectorAll("[data-row]"));
  const current = () => rows().find((row) => row.contains(document.activeElement));
  const isWriting = (target) =>
    target.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName) && !["checkbox", "radio"].includes(target.type);

  function go(step) {
    const link = document.querySelector(step > 0 ? '[data-key="j"]' : '[data-key="k"]');
    if (link && rows().length === 0) {
      link.click();
      return;
    }
    const all = rows();
    const place = all.indexOf(current());
    const next = all[place < 0 ? (step > 0 ? 0 : all.length - 1) : place + step];
    const target = next && (next.querySelector("[data-open]") || next.querySelector("a, button, input"));
    if (target) {
      target.focus();
      next.scrollIntoView({ block: "nearest" });
    }
  }

  function tick() {
    const box = current() && current().querySelector('input[type="checkbox"]');
    if (box) {
      box.click();
    }
  }

  function press(key) {
    const place = current() || document;
    const target = place.querySelector(`[data-key="${key}"]`);
    if (!target) {
      return;
    }
    if (target.tagName === "DETAILS") {
      target.open = true;
      const field = target.querySelector("input:not([type=hidden])");
      if (field) {
        field.focus();
      }
      return;
    }
    target.click();
  }

  function showKeys() {
    const dialog = document.getElementById("keys");
    if (dialog && !dialog.open) {
      dialog.showModal();
    }
  }

  const keys = {
    "?": showKeys,
    j: () => go(1),
    k: () => go(-1),
    x: tick,
    a: () => press("a"),
    h: () => press("h"),
    o: () => {
      const link = current() && current().querySelector("[data-open]");
      if (link) {
        link.click();
      }
    },
    "/": () => {
      const search = document.getElementById("search");
      if (search) {
        search.focus();
      }
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isWriting(event.target)) {
      event.target.blur();
      return;
    }
    const switchedOff = document.body.dataset.keys !== "on";
    if (switchedOff || event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) {
      return;
    }
    const act = keys[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  for (const list of document.querySelectorAll("[data-list]")) {
    const boxes = Array.from(list.querySelectorAll('input[name="row"]'));
    const all = list.querySelector("[data-all]");
    const told = list.querySelector("[data-ticked]");
    const count = () => {
      const ticked = boxes.filter((box) => box.checked).length;
      told.textContent = ticked === 0 ? "" : `${ticked} ticked`;
      if (all) {
        all.checked = ticked === boxes.length;
        all.indeterminate = ticked > 0 && ticked < boxes.length;
      }
    };
    if (all) {
      all.hidden = false;
      all.addEventListener("change", () => {
        boxes.forEach((box) => {
          box.checked = all.checked;
        });
        count();
      });
    }
    boxes.forEach((box) => box.addEventListener("change", count));
    count();
  }

  // Problems of a form of terms as they are typed: the server reads what a file would say, and names each field.
  async function look(form) {
    const fields = new URLSearchParams(new FormData(form));
    fields.set("do", "problems");
    const answer = await fetch(form.action, { method: "POST", body: fields });
    if (!answer.ok) {
      return;
    }
    const problems = await answer.json();
    for (const place of form.querySelectorAll("[data-problem]")) {
      const here = problems.filter((one) => one.field === place.dataset.problem).map((one) => one.text);
      place.textContent = here.join("; ");
      const field = form.elements[place.dataset.problem];
      if (field && field.setAttribute) {
        field.setAttribute("aria-invalid", String(here.length > 0));
      }
    }
    const told = form.querySelector("[data-count]");
    told.textContent = problems.length === 0 ? "no problems" : `${problems.length} problem${problems.length === 1 ? "" : "s"}`;
  }

  for (const form of document.querySelectorAll("form[data-check]")) {
    let waits;
    form.addEventListener("input", () => {
      clearTimeout(waits);
      waits = setTimeout(() => look(form).catch(() => {}), 300);
    });
  }
})();
