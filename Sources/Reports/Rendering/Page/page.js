"use strict";
// Sorting, filtering, picking a strategy, values under the pointer, files out of the page. Without it the page still reads.
(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);
  const make = (name, properties = {}) => Object.assign(document.createElement(name), properties);
  document.documentElement.classList.add("live");

  // MARK: Tables

  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  /** What a cell is sorted by: a number where its text begins with one, in a column of numbers; else its text. */
  function key(cell, isNumber) {
    const text = cell.textContent;
    if (!isNumber) return text;
    const number = Number.parseFloat(text.replace(/,/g, ""));
    return Number.isNaN(number) ? null : number;
  }

  /** What has no number comes last, whichever way round. */
  function compare(left, right, direction) {
    if (left === null || right === null) return (left === null) - (right === null);
    return direction * (typeof left === "number" ? left - right : collator.compare(left, right));
  }

  /** The rows by one column; equal ones stay in their order. */
  function sorted(rows, column, isNumber, direction) {
    const keyed = rows.map((row) => ({ row, key: key(row.cells[column], isNumber) }));
    keyed.sort((left, right) => compare(left.key, right.key, direction));
    return keyed.map((entry) => entry.row);
  }

  // Of a longer table the rest is shown when asked for: a browser lays out a hundred thousand cells in seconds.
  const MOST = 100;

  /** Headings that sort, a field that filters, a button for the rest of a long table. */
  function makeLive(table) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    let order = rows;
    let words = [];
    let texts = null;
    let isWhole = rows.length <= 1.5 * MOST;
    const line = make("div", { className: "find" });
    const count = make("span");
    count.setAttribute("aria-live", "polite");
    const rest = make("button", { type: "button", textContent: "Show all" });

    /** Rows that hold all words, in whatever order; those beyond the first hundred only where the whole is wanted. */
    function show() {
      let found = 0;
      order.forEach((row) => {
        row.hidden = words.length > 0 && !words.every((word) => texts.get(row).includes(word));
        row.classList.toggle("rest", !row.hidden && !isWhole && found >= MOST);
        if (!row.hidden) found += 1;
      });
      const isCut = !isWhole && found > MOST;
      rest.hidden = !isCut;
      count.textContent = (found === rows.length ? `${found} rows` : `${found} of ${rows.length} rows`) +
        (isCut ? `, the first ${MOST} are shown` : "");
    }

    /** First the better end, then the other, then the report's order. */
    function makeSortable(heading, column) {
      const isNumber = !table.classList.contains(`w${column + 1}`);
      const arrow = heading.querySelector("abbr");
      const first = arrow && arrow.title.startsWith("higher") ? -1 : 1;
      const button = make("button", { type: "button" });
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const before = { ascending: 1, descending: -1 }[heading.getAttribute("aria-sort")] || 0;
        const direction = before === 0 ? first : before === first ? -first : 0;
        all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
        if (direction !== 0) heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        order = direction === 0 ? rows : sorted(rows, column, isNumber, direction);
        show();
        body.append(...order);
      });
    }

    Array.from(table.tHead.rows[0].cells).forEach(makeSortable);
    if (rows.length < 6) return;
    const field = make("input", { type: "search", placeholder: "filter rows" });
    field.setAttribute("aria-label", "Filter the rows of the table below");
    field.addEventListener("input", () => {
      const text = (row) => Array.from(row.cells, (cell) => cell.textContent).join("\t").toLowerCase();
      texts = texts || new Map(rows.map((row) => [row, text(row)]));
      words = field.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
      show();
    });
    rest.addEventListener("click", () => {
      isWhole = true;
      show();
    });
    line.append(field, count, rest);
    table.parentNode.before(line);
    show();
  }

  /** What the text of the page leaves out: cells that say the same as the one above, and the names of strategies. */
  function complete(table) {
    const who = table.querySelector("th.who");
    const places = who ? who.cellIndex : 0;
    let above = null;
    Array.from(table.tBodies[0].rows).forEach((row) => {
      const cells = Array.from(row.cells);
      if (above) {
        cells.slice(0, places).filter((cell) => !cell.firstChild).forEach((cell) => {
          cell.textContent = above[cell.cellIndex].textContent;
        });
      }
      above = cells;
    });
    all("td[data-strategy='']", table).forEach((cell) => { cell.dataset.strategy = cell.firstChild.data; });
  }

  all("table.data").forEach((table) => {
    complete(table);
    makeLive(table);
  });

  // MARK: Picking

  const select = byId("pick");
  const clear = byId("unpick");
  let picked = "";
  let places = null;

  /** By label, all elements that carry it. */
  function elements(label) {
    if (places === null) {
      places = new Map();
      all("[data-strategy]").forEach((element) => {
        const name = element.dataset.strategy;
        if (!places.has(name)) places.set(name, []);
        places.get(name).push(element);
      });
    }
    return places.get(label) || [];
  }

  function mark(label, isPicked) {
    elements(label).forEach((element) => {
      element.classList.toggle("picked", isPicked);
      const row = element.closest("tr");
      if (row) row.classList.toggle("picked", isPicked);
    });
  }

  /** The picked strategy's line of the first table that has one, with the headings. */
  function summary(label) {
    const cell = elements(label).find((element) => element.tagName === "TD");
    if (!cell) return "";
    const headings = cell.closest("table").tHead.rows[0].cells;
    const row = cell.parentNode;
    const said = Array.from(row.cells).map((other, column) =>
      other === cell ? "" : `${headings[column].innerText.trim()}: ${other.innerText.trim()}`);
    return `${label}. ${said.filter((text) => text !== "" && !text.endsWith("–")).join("; ")}`;
  }

  /** Places that are gone to stand below the bar, however tall it is. */
  function leaveRoom() {
    document.documentElement.style.scrollPaddingTop = `${document.querySelector(".bar").offsetHeight + 8}px`;
  }

  /** Highlights one strategy everywhere; none for "". */
  function pick(label) {
    const known = label !== "" && elements(label).length > 0 ? label : "";
    if (picked !== "") mark(picked, false);
    picked = known;
    if (picked !== "") mark(picked, true);
    document.documentElement.classList.toggle("picking", picked !== "");
    if (select) select.value = picked;
    if (clear) clear.hidden = picked === "";
    byId("picked").textContent = picked === "" ? "" : summary(picked);
    leaveRoom();
  }

  // MARK: The address

  /** Keeps what is picked, and where the reader went last, behind the number sign. */
  function keep(place) {
    const fragment = new URLSearchParams();
    if (picked !== "") fragment.set("strategy", picked);
    if (place) fragment.set("at", place);
    const address = window.location.href.split("#")[0];
    const text = picked === "" && place ? place : fragment.toString();
    window.history.replaceState(null, "", text === "" ? address : `${address}#${text}`);
  }

  function follow() {
    const fragment = new URLSearchParams(window.location.hash.slice(1));
    pick(fragment.get("strategy") || "");
    const place = fragment.get("at") && byId(fragment.get("at"));
    if (place) place.scrollIntoView();
  }

  function choose(label) {
    pick(label);
    keep("");
  }

  if (select) select.addEventListener("change", () => choose(select.value));
  if (clear) clear.addEventListener("click", () => choose(""));
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-strategy]");
    const link = event.target.closest("a[href^='#']");
    const contents = byId("contents");
    if (link) {
      event.preventDefault();
      const place = link.getAttribute("href").slice(1);
      const section = byId(place);
      section.tabIndex = -1;
      section.focus({ preventScroll: true });
      section.scrollIntoView();
      keep(place);
    } else if (element && window.getSelection().isCollapsed) {
      choose(element.dataset.strategy === picked ? "" : element.dataset.strategy);
    }
    if (contents && (link || !contents.contains(event.target))) contents.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const contents = byId("contents");
    if (contents.open) contents.open = false;
    else if (picked !== "") choose("");
  });

  // MARK: Values under the pointer

  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);

  // The browser would show titles a second time, and that of a whole figure everywhere in it.
  all("svg title").forEach((title) => {
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  });

  function showTip(event) {
    const element = event.target.closest ? event.target.closest("svg [aria-label]") : null;
    tip.hidden = !element;
    if (!element) return;
    tip.textContent = element.getAttribute("aria-label");
    const space = 14;
    const left = Math.min(event.clientX + space, window.innerWidth - tip.offsetWidth - 4);
    const isAbove = event.clientY + space + tip.offsetHeight > window.innerHeight;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${isAbove ? event.clientY - space - tip.offsetHeight : event.clientY + space}px`;
  }

  document.addEventListener("pointermove", showTip);
  document.addEventListener("pointerdown", showTip);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });

  // MARK: Files

  /** Offers a text that stands in the page as a file. */
  function save(name, text) {
    const link = make("a", { download: name.split("/").pop(), href: URL.createObjectURL(new Blob([text])) });
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  all("button[data-save]").forEach((button) => {
    button.addEventListener("click", () => {
      const place = button.dataset.from ? byId(button.dataset.from) : null;
      save(button.dataset.save,
        place ? place.textContent : JSON.parse(button.parentNode.querySelector("script").textContent));
    });
  });

  window.addEventListener("resize", leaveRoom);
  follow();
})();
