/* The script of the page: it draws what the JSON blocks hold. Texts of models are written by
 * textContent alone, and to plotly, which reads a little markup, with its signs escaped. */
"use strict";
(() => {
  const MARKERS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star"];
  const SHAPES = ["●", "■", "▲", "◆", "▼", "✚", "✖", "★"];
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const LONGEST = 20000; // characters of a text that are shown
  const LISTED = 150; // answers in a list, rows in a table
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  /* ---------- texts of strangers ---------- */

  // Characters that act rather than show; the joiners that scripts and emoji need are left.
  const ACTING = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
  const codeOf = (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

  function cut(text, most) {
    if (text.length <= most) return text;
    const end = /[\ud800-\udbff]/.test(text[most - 1]) ? most - 1 : most;
    return text.slice(0, end);
  }

  // Write a text into a node, what acts as a mark with its number, and no more than `most`.
  function write(node, text, most = LONGEST) {
    node.replaceChildren();
    node.dir = "auto";
    const shown = cut(text, most);
    let from = 0;
    for (const match of shown.matchAll(ACTING)) {
      node.append(shown.slice(from, match.index), make("span", { className: "mark" }, codeOf(match[0])));
      from = match.index + match[0].length;
    }
    node.append(shown.slice(from));
    if (shown.length < text.length) node.append(" …");
    return node;
  }

  // The same for plotly, whose labels are lines of a little markup.
  function label(text, most = 60) {
    const shown = cut(String(text), most).replace(/\s+/g, " ").replace(ACTING, (c) => `[${codeOf(c)}]`);
    const safe = shown.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    return safe + (shown.length < String(text).length && String(text).length > most ? " …" : "");
  }

  function wrapped(text, most = 320, width = coarse ? 36 : 56) {
    const shown = cut(text, most) + (text.length > most ? " …" : "");
    const lines = [];
    let line = "";
    for (const word of shown.split(/\s+/)) {
      for (let rest = word; rest; rest = rest.slice(width)) {
        const part = cut(rest, width);
        if (line && line.length + part.length + 1 > width) { lines.push(line); line = ""; }
        line += (line ? " " : "") + part;
      }
    }
    if (line) lines.push(line);
    return lines.map((one) => label(one, 1000)).join("<br>");
  }

  function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  const say = (text) => { document.getElementById("said").textContent = text; };
  const number = (x) => (x === null || x === undefined ? "NA" : typeof x === "number" ? String(+x.toPrecision(4)) : String(x));

  /* ---------- tables ---------- */

  class Table {
    constructor({ dims, columns }, texts) {
      this.dims = dims;
      this.columns = columns;
      this.texts = texts;
      this.stride = {};
      let size = 1;
      for (const [name, labels] of [...dims].reverse()) { this.stride[name] = size; size *= labels.length; }
      const first = Object.values(columns)[0];
      this.n = first === undefined ? 0 : (first.codes || first).length;
    }
    labels(name) { const found = this.dims.find(([dim]) => dim === name); return found ? found[1] : null; }
    // The row of a place, by numbers of labels; dimensions that are not named are at 0.
    row(place) { return this.dims.reduce((sum, [name]) => sum + this.stride[name] * (place[name] || 0), 0); }
    place(row) {
      const out = {};
      for (const [name, labels] of this.dims) out[name] = Math.floor(row / this.stride[name]) % labels.length;
      return out;
    }
    get(column, row) {
      const values = this.columns[column];
      if (values === undefined) return null;
      if (!values.codes) return values[row];
      const levels = values.levels === "texts" ? this.texts : values.levels;
      const level = levels[values.codes[row]];
      return level === undefined ? null : level;
    }
    heads() { return [...this.dims.map(([name]) => name), ...Object.keys(this.columns)]; }
    cells(row) {
      const place = this.place(row);
      return [...this.dims.map(([name, labels]) => labels[place[name]]), ...Object.keys(this.columns).map((c) => this.get(c, row))];
    }
  }

  // A spreadsheet takes a text that begins so for a formula; an apostrophe before it stops that.
  const FORMULA = /^[\s]*[=+\-@\t\r]/;
  function csvCell(value) {
    if (value === null) return "";
    if (typeof value !== "string") return String(value);
    const text = FORMULA.test(value) ? "'" + value : value;
    return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }

  function* csvLines(table) {
    yield table.heads().map(csvCell).join(",") + "\n";
    for (let row = 0; row < table.n; row++) yield table.cells(row).map(csvCell).join(",") + "\n";
  }

  function jsonText(table) {
    const heads = table.heads();
    const rows = [];
    for (let row = 0; row < table.n; row++) {
      const cells = table.cells(row);
      rows.push(JSON.stringify(Object.fromEntries(heads.map((head, i) => [head, cells[i]]))));
    }
    return "[" + rows.join(",\n") + "]\n";
  }

  function save(name, type, parts) {
    const url = URL.createObjectURL(new Blob(parts, { type }));
    const link = make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 30000);
    say(`${name} was handed to the browser's downloads.`);
  }

  function button(text, act, properties = {}) {
    const node = make("button", { type: "button", ...properties }, text);
    node.addEventListener("click", act);
    return node;
  }

  function htmlTable(table, name) {
    const head = make("tr", {}, ...table.heads().map((text) => make("th", { scope: "col" }, text.replace(/_/g, " "))));
    const body = make("tbody");
    for (let row = 0; row < Math.min(table.n, LISTED); row++) {
      body.append(make("tr", {}, ...table.cells(row).map((value) => {
        if (typeof value === "string" && value.length > 12) return write(make("td", { className: "words" }), value, 300);
        return write(make("td"), number(value), 60);
      })));
    }
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, make("table", {}, make("thead", {}, head), body));
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `Rows: ${name}`);
    const out = make("div", { className: "data" }, scroll);
    if (table.n > LISTED) out.append(make("p", { className: "about" }, `The first ${LISTED} of ${table.n} rows; the download has all.`));
    return out;
  }

  function choice(text, options, act, chosen = 0) {
    const select = make("select");
    options.forEach((option, i) => {
      const item = make("option", { value: String(i), selected: i === chosen });
      item.textContent = cut(String(option), 90).replace(ACTING, (c) => `[${codeOf(c)}]`) + (String(option).length > 90 ? " …" : "");
      select.append(item);
    });
    select.addEventListener("change", () => act(Number(select.value)));
    return make("label", {}, text, select);
  }

  /* ---------- looks ---------- */

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const look = (i, n) => (n > 24 ? "c7" : "c" + (i % 8));
  const marker = (i) => MARKERS[(i % 8 + Math.floor(i / 8)) % 8];
  const shape = (i) => SHAPES[(i % 8 + Math.floor(i / 8)) % 8];

  function layout(extra = {}) {
    const axis = (own = {}) => ({
      gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("rim"), tickcolor: colour("rim"),
      fixedrange: coarse, ...own, title: { text: own.title || "", standoff: 8 },
    });
    const { xaxis, yaxis, ...rest } = extra;
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("ink"), size: 13, family: 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif' },
      // On the right is room for the buttons that a mouse brings up, beside legend and data.
      margin: { l: 62, r: coarse ? 14 : 40, t: 10, b: 46 },
      modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
      xaxis: axis(xaxis), yaxis: axis(yaxis),
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("rim"), font: { color: colour("ink") }, align: "left" },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
      hovermode: "closest", dragmode: coarse ? false : "zoom", uirevision: "kept", ...rest,
    };
  }
  // Distances are what a plane shows, so that both its axes have one scale.
  const ONE_SCALE = { scaleanchor: "x", scaleratio: 1 };
  const CONFIG = {
    displaylogo: false, responsive: true, displayModeBar: coarse ? false : "hover",
    // One of plotly's own buttons would send the data away.
    modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d", "sendChartToCloud"], plotlyServerURL: "",
  };

  /* ---------- a run ---------- */

  class Run {
    constructor(section) {
      this.section = section;
      this.data = JSON.parse(document.getElementById("data-" + section.dataset.run).textContent);
      this.tables = {};
      for (const [name, table] of Object.entries(this.data.tables)) this.tables[name] = new Table(table, this.data.texts || []);
      const times = this.data.times || [0];
      this.at = { time: times.length - 1, query: 0, replicate: 0 };
      this.phrase = null;
      this.chosen = null;
      this.panels = new Map();
      this.seen = new Set();
      this.models = this.data.models || [];
      if (this.data.times) this.addBar();
      this.addDownloads();
      const watch = new IntersectionObserver((entries) => {
        for (const entry of entries) {
          const panel = this.panels.get(entry.target);
          panel.near = entry.isIntersecting;
          if (panel.near && panel.stale) this.draw(panel);
        }
      }, { rootMargin: "300px" });
      for (const node of section.querySelectorAll("[data-panel]")) {
        const draws = this.data.panels[node.dataset.panel];
        const Kind = KINDS[draws.kind];
        const panel = new Kind(this, node, draws);
        panel.stale = true;
        this.panels.set(node, panel);
        panel.addTools();
        watch.observe(node);
      }
      window.addEventListener("beforeprint", () => {
        for (const panel of this.panels.values()) if (panel.stale) this.draw(panel);
      });
    }

    get file() { return this.data.name.replace(/[^A-Za-z0-9_.-]+/g, "_").slice(0, 80) || "run"; }

    draw(panel) {
      panel.stale = false;
      panel.draw();
    }

    // What is in view is drawn now, the rest when it comes into view.
    refresh() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        for (const panel of this.panels.values()) {
          panel.stale = true;
          if (panel.near) this.draw(panel);
        }
      });
    }

    go(change) {
      Object.assign(this.at, change);
      if (change.time !== undefined && this.slider) {
        this.slider.value = String(this.at.time);
        this.slider.setAttribute("aria-valuetext", `time ${this.time}`);
        this.shown.textContent = `t = ${this.time}`;
      }
      this.refresh();
    }

    get time() { return this.data.times[this.at.time]; }

    addBar() {
      const { times, queries, replicates } = this.data;
      const bar = this.section.querySelector("[data-bar]");
      bar.hidden = false;
      if (times.length > 1) {
        this.slider = make("input", { type: "range", min: "0", max: String(times.length - 1), step: "1", value: String(this.at.time) });
        this.slider.setAttribute("aria-valuetext", `time ${this.time}`);
        this.slider.addEventListener("input", () => { this.stop(); this.go({ time: Number(this.slider.value) }); });
        this.shown = make("output", {}, `t = ${this.time}`);
        this.player = button("Play", () => (this.playing ? this.stop() : this.play()));
        bar.append(make("div", { className: "time" }, this.player, make("label", {}, "Time", this.slider), this.shown));
      } else {
        bar.append(make("span", {}, `One time, t = ${this.time}`));
      }
      if (queries.length > 1) bar.append(choice("Query", queries, (i) => { this.chosen = null; this.go({ query: i }); }));
      if (replicates.length > 1) bar.append(choice("Replicate", replicates, (i) => { this.chosen = null; this.go({ replicate: i }); }));
    }

    play() {
      this.player.textContent = "Pause";
      if (this.at.time === this.data.times.length - 1) this.go({ time: 0 });
      this.playing = setInterval(() => {
        if (this.at.time >= this.data.times.length - 1) this.stop();
        else this.go({ time: this.at.time + 1 });
      }, still ? 1500 : 500);
    }

    stop() {
      clearInterval(this.playing);
      this.playing = null;
      this.player.textContent = "Play";
    }

    addDownloads() {
      const place = this.section.querySelector("[data-downloads]");
      if (this.data.spec) place.append(button("Download the specification", () => save(`${this.file}.json`, "application/json", [this.data.spec])));
      for (const [name, title] of [["answers", "answers"], ["posts", "the web"], ["runs", "rows"]]) {
        const table = this.tables[name];
        if (!table) continue;
        place.append(button(`Download ${title} (CSV)`, () => save(`${this.file}-${name}.csv`, "text/csv", [...csvLines(table)])));
        place.append(button(`Download ${title} (JSON)`, () => save(`${this.file}-${name}.json`, "application/json", [jsonText(table)])));
      }
    }

    // The place of the chosen query among those of a table, by its label.
    queryOf(table) {
      const labels = table.labels("query");
      if (!labels) return 0;
      const found = labels.indexOf(String(this.data.queries[this.at.query]));
      return found < 0 ? (labels.length === this.data.queries.length ? this.at.query : 0) : found;
    }
  }

  /* ---------- panels ---------- */

  class Panel {
    constructor(run, node, draws) {
      this.run = run;
      this.node = node;
      this.draws = draws;
      this.table = run.tables[draws.table];
      this.view = node.querySelector("[data-view]");
      this.controls = node.querySelector("[data-controls]");
      this.title = node.querySelector("h2").textContent;
    }

    get name() { return this.node.dataset.panel; }

    addTools(table = this.table, name = this.name) {
      if (!table) return;
      const tools = this.node.querySelector("[data-tools]");
      let rows = null;
      const toggle = button("Show rows", () => {
        if (rows) { rows.remove(); rows = null; } else { rows = htmlTable(table, this.title); tools.append(rows); }
        toggle.textContent = rows ? "Hide rows" : "Show rows";
        toggle.setAttribute("aria-expanded", String(Boolean(rows)));
      });
      toggle.setAttribute("aria-expanded", "false");
      tools.append(toggle, button("Download rows (CSV)", () => save(`${this.run.file}-${name}.csv`, "text/csv", [...csvLines(table)])));
    }

    plot(traces, extra) {
      if (!this.chart) {
        this.chart = make("div", { className: "chart" });
        this.chart.setAttribute("role", "group");
        this.chart.setAttribute("aria-label", `Picture: ${this.title}`);
        (this.place || this.view).append(this.chart);
        this.fresh = true;
      }
      // On a phone a legend has a line for each entry, above the picture.
      const entries = traces.filter((t) => t.showlegend !== false).length;
      this.chart.style.height = extra.showlegend && entries > 3 && window.innerWidth < 832 ? `${17 + 1.4 * Math.min(entries, 12)}rem` : "";
      Plotly.react(this.chart, traces, layout(extra), CONFIG);
      if (this.fresh && this.clicked) this.chart.on("plotly_click", (event) => this.clicked(event.points[0]));
      this.fresh = false;
    }

    // A line at the chosen time.
    now() {
      if (!this.run.slider) return [];
      return [{ type: "line", x0: this.run.time, x1: this.run.time, y0: 0, y1: 1, yref: "paper", line: { color: colour("rim"), width: 1.5, dash: "dot" } }];
    }
  }

  class Lines extends Panel {
    constructor(run, node, draws) {
      super(run, node, draws);
      this.other = 0;
      if (draws.choose) {
        const labels = this.table.labels(draws.choose);
        if (labels.length > 1) this.controls.append(choice(draws.choose[0].toUpperCase() + draws.choose.slice(1), labels, (i) => { this.other = i; this.draw(); }));
      }
    }

    series(column, place) {
      const times = this.table.labels("time");
      return times.map((_, t) => this.table.get(column, this.table.row({ ...place, time: t })));
    }

    traces() {
      const { table, draws, run } = this;
      const times = table.labels("time");
      const place = { query: run.queryOf(table), replicate: run.at.replicate, [draws.choose]: this.other };
      const mode = times.length < 3 ? "lines+markers" : "lines";
      const out = [];
      const replicates = table.labels("replicate") || [0];
      const columns = draws.lines.filter((line) => table.columns[line.column]);
      if (draws.others && replicates.length > 1) {
        replicates.forEach((_, r) => {
          if (r === place.replicate) return;
          out.push({ x: times, y: this.series(columns[0].column, { ...place, replicate: r }), mode, name: "other replicates", legendgroup: "others", showlegend: out.length === 0, hoverinfo: "skip", line: { color: colour("rim"), width: 0.8 }, opacity: 0.55 });
        });
      }
      for (const line of columns) {
        const split = line.split ? table.labels(line.split) : [line.name];
        split.forEach((name, i) => {
          const own = line.look === undefined ? i : line.look;
          const y = this.series(line.column, line.split ? { ...place, [line.split]: i } : place);
          if (draws.stack && !y.some((v) => v)) return;
          const c = colour(look(own, split.length));
          const strong = this.run.phrase === null || this.name !== "phrases" || this.run.phrase === i;
          const trace = { x: times, y, mode, name: label(name, coarse ? 28 : 48), line: { color: c, width: strong ? 2.2 : 1.2, dash: line.dash || (draws.stack ? "solid" : DASHES[(own + Math.floor(own / 8)) % 4]) }, opacity: strong ? 1 : 0.45, showlegend: split.length <= 24, hovertemplate: `t = %{x}: %{y:.4~g}<extra>${label(name, 40).replace(/%/g, "&#37;").replace(/\{/g, "(").replace(/\}/g, ")")}</extra>` };
          if (draws.stack) Object.assign(trace, { stackgroup: "all", fillcolor: c, line: { width: 0.5, color: c } });
          out.push(trace);
        });
      }
      return out;
    }

    draw() {
      const traces = this.traces();
      const y = { title: this.draws.y, rangemode: this.draws.zero ? "tozero" : "normal" };
      if (this.draws.percent) Object.assign(y, { tickformat: ".0%", range: [0, 1.02] });
      this.plot(traces, {
        xaxis: { title: "time t" }, yaxis: y, shapes: this.now(),
        showlegend: traces.length > 1 && traces.some((t) => t.showlegend !== false),
      });
    }

    clicked(point) {
      const { times } = this.run.data;
      if (!this.run.slider || typeof point.x !== "number") return;
      let best = 0;
      times.forEach((time, i) => { if (Math.abs(time - point.x) < Math.abs(times[best] - point.x)) best = i; });
      this.run.go({ time: best });
    }
  }

  class Apart extends Lines {
    draw() {
      const rows = [...Array(this.table.n).keys()];
      const get = (column) => rows.map((row) => this.table.get(column, row));
      const p = get("p_adjusted");
      const told = p.map((value) => value !== null && value <= 0.05);
      this.plot([{
        x: get("time"), y: get(this.draws.column), mode: "lines+markers", line: { color: colour("rim"), width: 1 },
        marker: { size: 9, symbol: told.map((yes) => (yes ? "circle" : "circle-open")), color: colour("c0"), line: { width: 1.5, color: colour("c0") } },
        hovertext: rows.map((row) => `t = ${this.table.get("time", row)}: ${number(this.table.get(this.draws.column, row))}, adjusted p = ${number(p[row])}`), hoverinfo: "text",
      }], { xaxis: { title: "time t" }, yaxis: { title: this.draws.column === "energy_distance" ? "energy distance" : "adjusted R²", rangemode: "tozero" }, shapes: this.now(), showlegend: false });
    }
  }

  class Phrases extends Lines {
    draw() {
      if (!this.picker) {
        const names = this.table.labels("phrase");
        this.picker = choice("Mark answers that hold", ["no phrase", ...names], (i) => { this.run.phrase = i ? i - 1 : null; this.run.refresh(); });
        this.controls.append(this.picker);
        this.chartPlace = make("div");
        this.firsts = make("div", { className: "scroll", tabIndex: 0 });
        this.firsts.setAttribute("role", "region");
        this.firsts.setAttribute("aria-label", "Who said each phrase first");
        this.place = this.chartPlace;
        this.view.append(this.chartPlace, make("h3", {}, "Who said it first"), this.firsts);
      }
      super.draw();
      const first = this.run.tables.first;
      const { replicates, queries } = this.run.data;
      const body = make("tbody");
      for (let row = 0; row < first.n; row++) {
        if (replicates.length > 1 && first.get("replicate", row) !== String(replicates[this.run.at.replicate])) continue;
        if (queries.length > 1 && first.get("query", row) !== String(queries[this.run.at.query])) continue;
        const post = first.get("initial_post", row);
        const phrase = first.get("phrase", row);
        const p = this.table.labels("phrase").indexOf(phrase);
        const last = this.series("share", { phrase: p, query: this.run.queryOf(this.table), replicate: this.run.at.replicate });
        const most = Math.max(...last.filter((v) => v !== null));
        body.append(make("tr", {},
          write(make("td", { className: "words" }), phrase, 200),
          make("td", {}, `${Math.round(100 * most)}%`),
          make("td", {}, `t = ${number(first.get("time", row))}`),
          write(make("td", { className: "words" }), String(first.get("model", row)), 200),
          make("td", {}, post === null ? "" : `post ${post}`)));
      }
      const heads = ["Phrase", "Largest share", "First said", "By", "In the initial web"];
      this.firsts.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((h, i) => make("th", { scope: "col", className: i % 3 ? "" : "words" }, h)))), body));
    }
  }

  class Models extends Panel {
    draw() {
      const { table, run } = this;
      const names = table.labels("model");
      const traces = [];
      const seen = { x: [], y: [] };
      names.forEach((name, i) => {
        const xs = [], ys = [];
        for (let t = Math.max(0, run.at.time - 10); t <= run.at.time; t++) {
          const row = table.row({ time: t, model: i, replicate: run.at.replicate });
          xs.push(table.get("x", row));
          ys.push(table.get("y", row));
        }
        const c = colour(look(i, names.length));
        traces.push({ x: xs, y: ys, mode: "lines", line: { color: c, width: 1 }, opacity: 0.5, showlegend: false, hoverinfo: "skip" });
        traces.push({ x: xs.slice(-1), y: ys.slice(-1), mode: "markers", name: label(name, 32), hovertext: `${label(name)}, t = ${run.time}`, hoverinfo: "text", marker: { size: 12, color: c, symbol: marker(i), line: { color: colour("card"), width: 1 } }, showlegend: names.length <= 24 });
      });
      for (let row = 0; row < table.n; row++) for (const a of "xy") seen[a].push(table.get(a, row));
      this.plot(traces, { xaxis: { title: "first coordinate", range: span(seen.x) }, yaxis: { title: "second coordinate", range: span(seen.y), ...ONE_SCALE }, showlegend: names.length > 1 });
    }
  }

  function span(values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
    if (low > high) return [-1, 1];
    const room = 0.08 * (high - low) || 0.5;
    return [low - room, high + room];
  }

  class Answers extends Panel {
    constructor(run, node, draws) {
      super(run, node, draws);
      this.hidden = new Set();
      this.ranges = [span(this.table.columns.x), span(this.table.columns.y)];
      this.raw = new Map((run.data.raw ? run.data.raw.rows : []).map((row, i) => [row, run.data.raw.codes[i]]));
    }

    build() {
      this.place = make("div");
      this.list = make("ol", { className: "list" });
      this.heading = make("h3", {}, "Answers");
      this.detail = make("div", { className: "detail" });
      this.detail.id = `detail-${this.run.section.dataset.run}`;
      this.view.append(make("div", { className: "split" }, this.place, make("div", {}, this.heading, this.list)), this.detail);
    }

    // Answers with one text of a model at the chosen time are one group.
    groups() {
      const { table, run } = this;
      const n = (table.labels("response") || [0]).length;
      const codes = table.columns.text ? table.columns.text.codes : null;
      const out = [];
      run.models.forEach((_, model) => {
        const own = new Map();
        for (let response = 0; response < n; response++) {
          const row = table.row({ time: run.at.time, model, replicate: run.at.replicate, query: run.at.query, response });
          const key = codes ? codes[row] : response;
          if (!own.has(key)) own.set(key, { model, row, code: codes ? codes[row] : null, rows: [] });
          own.get(key).rows.push(row);
        }
        out.push(...own.values());
      });
      return out;
    }

    draw() {
      if (!this.place) this.build();
      const { run, table } = this;
      const groups = this.groups();
      const holders = run.phrase === null ? null : new Set(run.data.holders[run.phrase]);
      const held = (group) => holders === null || holders.has(group.code);
      const traces = run.models.map((name, i) => {
        const own = groups.filter((g) => g.model === i && table.get("x", g.row) !== null);
        const chosen = (g) => run.chosen !== null && g.rows.includes(run.chosen);
        return {
          x: own.map((g) => table.get("x", g.row)), y: own.map((g) => table.get("y", g.row)), mode: "markers", name: label(name, 32),
          customdata: own.map((g) => g.row), hoverinfo: "text",
          hovertext: own.map((g) => `<b></b>${label(name, 40)}${g.rows.length > 1 ? ` said ${g.rows.length} times` : ""}<br>${g.code === null ? "" : wrapped(run.data.texts[g.code])}`.replace("<b></b>", "")),
          marker: {
            size: own.map((g) => Math.min(34, 8 + 3 * Math.sqrt(g.rows.length - 1))), color: colour(look(i, run.models.length)), symbol: marker(i),
            opacity: own.map((g) => (held(g) ? 0.85 : 0.15)), line: { width: own.map((g) => (chosen(g) ? 3 : 0.5)), color: own.map((g) => (chosen(g) ? colour("ink") : colour("card"))) },
          },
          showlegend: run.models.length <= 24,
        };
      });
      this.plot(traces, { xaxis: { title: "first coordinate", range: this.ranges[0] }, yaxis: { title: "second coordinate", range: this.ranges[1], ...ONE_SCALE }, showlegend: run.models.length > 1, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 }, itemsizing: "constant" } });
      this.drawList(groups.filter(held), holders !== null);
      this.drawDetail();
    }

    clicked(point) {
      this.choose(point.customdata, false);
    }

    choose(row, move) {
      this.run.chosen = row;
      const place = this.table.place(row);
      if (move) {
        if (this.run.playing) this.run.stop();
        this.run.go({ time: place.time });
        this.drawDetail();
      } else {
        this.draw();
      }
      say(`Answer of ${this.run.models[place.model]} chosen; its prompt is below the picture.`);
    }

    drawList(groups, marked) {
      const { run } = this;
      groups.sort((a, b) => a.model - b.model || b.rows.length - a.rows.length);
      this.heading.textContent = `${marked ? "Answers that hold the phrase" : "Answers"} at t = ${run.time}`;
      const items = groups.slice(0, LISTED).map((group) => {
        const swatch = make("span", { className: "swatch" }, shape(group.model));
        swatch.style.color = colour(look(group.model, run.models.length));
        swatch.setAttribute("aria-hidden", "true");
        const who = write(make("span", { className: "who" }), run.models[group.model], 60);
        if (group.rows.length > 1) who.append(` × ${group.rows.length}`);
        const said = make("span", { className: "said" });
        const text = group.code === null ? "" : run.data.texts[group.code];
        if (group.code === null) said.textContent = `answer ${this.table.place(group.row).response}`;
        else if (text === "") said.textContent = "(no answer)";
        else write(said, text, 140);
        const one = button("", () => this.choose(group.row, false));
        one.append(swatch, who, said);
        one.setAttribute("aria-pressed", String(run.chosen !== null && group.rows.includes(run.chosen)));
        return make("li", {}, one);
      });
      if (groups.length > LISTED) items.push(make("li", { className: "about" }, `and ${groups.length - LISTED} more: the download has all`));
      if (!items.length) items.push(make("li", { className: "about" }, "none"));
      // A list drawn anew keeps the keyboard where it was.
      const buttons = [...this.list.querySelectorAll("button")];
      const focused = buttons.indexOf(document.activeElement);
      const top = this.list.scrollTop;
      this.list.replaceChildren(...items);
      this.list.scrollTop = top;
      if (focused >= 0) { const again = this.list.querySelectorAll("button")[focused]; if (again) again.focus({ preventScroll: true }); }
    }

    drawDetail() {
      const { run, table, detail } = this;
      if (run.chosen === null) {
        detail.replaceChildren(make("p", { className: "about" }, "Choose an answer in the picture or in the list, to see the prompt that it came from."));
        return;
      }
      if (detail.shown === run.chosen) return;
      detail.shown = run.chosen;
      const place = table.place(run.chosen);
      const { data } = run;
      const head = make("h3", { className: "whose" });
      write(head, `Answer ${place.response} of ${run.models[place.model]} at t = ${data.times[place.time]}`, 300);
      const parts = [head];
      if (table.columns.text) {
        const text = table.get("text", run.chosen);
        const answer = make("div", { className: "answer", tabIndex: 0 });
        answer.setAttribute("role", "region");
        answer.setAttribute("aria-label", "The answer");
        if (text === "") answer.textContent = "(no answer)"; else write(answer, text);
        parts.push(answer);
        if (text.length > LONGEST) parts.push(make("p", { className: "note" }, `The first ${LONGEST} of ${text.length} characters are shown; the download has the whole text.`));
        if (this.raw.has(run.chosen)) {
          const whole = write(make("pre", { className: "text", tabIndex: 0 }), data.texts[this.raw.get(run.chosen)]);
          parts.push(make("details", {}, make("summary", {}, "As it came, before it was cut to its first sentence"), whole));
        }
      } else {
        parts.push(make("p", { className: "about" }, "The file holds no texts."));
      }
      parts.push(...this.prompt(place));
      detail.replaceChildren(...parts);
    }

    prompt(place) {
      const { run } = this;
      const { data } = run;
      if (data.why_no_prompt) return [make("p", { className: "empty" }, `No prompt: ${data.why_no_prompt}`)];
      const n = { model: run.models.length, replicate: data.replicates.length, query: data.queries.length };
      const cell = ((place.time * n.model + place.model) * n.replicate + place.replicate) * n.query + place.query;
      const posts = run.tables.posts;
      const each = posts.n / (n.replicate * n.query);
      const start = (place.replicate * n.query + place.query) * each;
      const rows = data.retrieved[cell].map((row) => start + row);
      const parts = [make("h3", {}, "The prompt")];
      const system = data.systems[place.model];
      if (system) parts.push(make("p", { className: "from" }, "System prompt"), write(make("pre", { className: "text system", tabIndex: 0 }), String(system)));
      // As Python's str.split, which joins the words of a post.
      const words = (text) => text.split(/[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/).filter(Boolean).join(" ");
      const query = String(data.queries[place.query]);
      const { before, between, after } = data.prompt;
      const asked = rows.length ? before + rows.map((row) => words(posts.get("text", row))).join(between) + after + query : query;
      parts.push(write(make("pre", { className: "text asked", tabIndex: 0 }), asked, 4 * LONGEST));
      parts.push(make("h3", {}, `The ${rows.length} posts it had read`));
      if (!rows.length) { parts.push(make("p", { className: "about" }, "None.")); return parts; }
      const list = make("ol", { className: "posts", tabIndex: 0 });
      for (const row of rows.slice(0, 500)) {
        const source = posts.get("source", row);
        const time = posts.get("time", row);
        const from = write(make("span", { className: "from" }), time < 0 ? source : `${source}, t = ${time}`, 80);
        const item = make("li", {}, write(make("span", { className: "said" }), posts.get("text", row), 400), from);
        const author = posts.get("author", row);
        const t = data.times.indexOf(time);
        const response = posts.get("response", row);
        if (author >= 0 && t >= 0 && response >= 0) {
          const target = this.table.row({ ...place, time: t, model: author, response });
          item.append(" ", button("Go to that answer", () => this.choose(target, true), { className: "small" }));
        }
        list.append(item);
      }
      parts.push(list);
      return parts;
    }
  }

  // A table whose cells are shaded by their values, 0 to 1.
  function shaded(heads, rows, shades, words) {
    const head = make("tr", {}, ...heads.map((h, i) => write(make("th", { scope: "col" }), h, i ? 28 : 60)));
    const body = make("tbody", {}, ...rows.map((row, i) => {
      const line = make("tr", {}, write(make("th", { scope: "row" }), row, 40));
      shades[i].forEach((shade, j) => {
        const cell = make("td", {}, words[i][j]);
        if (shade !== null) cell.style.backgroundColor = `rgba(${colour("shade")}, ${(0.03 + 0.42 * shade).toFixed(3)})`;
        line.append(cell);
      });
      return line;
    }));
    const out = make("div", { className: "scroll", tabIndex: 0 }, make("table", { className: "cells" }, make("thead", {}, head), body));
    out.setAttribute("role", "region");
    return out;
  }

  class Reading extends Panel {
    draw() {
      const { table, run } = this;
      const readers = table.labels("reader"), sources = table.labels("source");
      const last = table.labels("time") ? run.at.time : 0;
      const counts = readers.map((_, reader) => sources.map((_, source) => {
        let sum = 0;
        for (let time = 0; time <= last; time++) sum += table.get("posts", table.row({ time, reader, source, replicate: run.at.replicate, query: run.at.query }));
        return sum;
      }));
      const shares = counts.map((row) => { const all = row.reduce((a, b) => a + b, 0); return row.map((x) => (all ? x / all : null)); });
      const words = shares.map((row, i) => row.map((x, j) => (x === null ? "" : `${Math.round(100 * x)}% (${counts[i][j]})`)));
      const view = shaded(["read by", ...sources], readers, shares, words);
      view.setAttribute("aria-label", `Who read whom up to t = ${run.time}`);
      this.view.replaceChildren(view);
    }
  }

  class Means extends Panel {
    constructor(run, node, draws) {
      super(run, node, draws);
      const { measures, factors } = run.data;
      this.measure = 0;
      this.x = 0;
      this.by = factors.length > 1 ? 1 : -1;
      this.controls.append(choice("Measure", measures, (i) => { this.measure = i; this.draw(); }));
      this.controls.append(choice("Across", factors, (i) => { this.x = i; this.draw(); }));
      if (factors.length > 1) {
        const none = this.name === "means" ? ["nothing"] : [];
        const shift = none.length;
        this.controls.append(choice(this.name === "means" ? "A line for each" : "Down", [...none, ...factors], (i) => { this.by = i - shift; this.draw(); }, 1 + shift));
      }
    }

    rows() {
      const { factors, measures } = this.run.data;
      const x = factors[this.x], by = this.by < 0 || this.by === this.x ? "" : factors[this.by];
      const out = [];
      for (let row = 0; row < this.table.n; row++) {
        if (this.table.get("measure", row) === measures[this.measure] && this.table.get("x", row) === x && this.table.get("by", row) === by) {
          out.push(Object.fromEntries(["x_level", "by_level", "estimate", "conf_low", "conf_high"].map((c) => [c, this.table.get(c, row)])));
        }
      }
      return { x, by, rows: out, measure: measures[this.measure] };
    }

    draw() {
      const { x, by, rows, measure } = this.rows();
      const levels = this.run.data.levels;
      const groups = by ? levels[by] : [""];
      const numeric = this.run.data.numeric[x];
      const places = numeric ? levels[x].map(Number) : levels[x].map((_, i) => i);
      const width = (Math.max(...places) - Math.min(...places)) || 1;
      const traces = groups.map((group, i) => {
        const own = levels[x].map((level) => rows.find((row) => row.x_level === level && row.by_level === group) || null);
        const y = own.map((row) => row && row.estimate);
        return {
          x: places.map((p) => p + (i - (groups.length - 1) / 2) * 0.012 * width), y, mode: "lines+markers", name: label(by ? `${by} = ${group}` : measure, 40),
          line: { color: colour(look(i, groups.length)), dash: DASHES[(i + Math.floor(i / 8)) % 4], width: 2 }, marker: { size: 9, symbol: marker(i), color: colour(look(i, groups.length)) },
          error_y: { type: "data", symmetric: false, array: own.map((r) => (r && r.conf_high !== null ? r.conf_high - r.estimate : 0)), arrayminus: own.map((r) => (r && r.conf_low !== null ? r.estimate - r.conf_low : 0)), color: colour(look(i, groups.length)), thickness: 1.5, width: 4 },
          hovertext: own.map((r) => (r ? `${label(x)} = ${label(r.x_level)}${by ? `, ${label(by)} = ${label(group)}` : ""}<br>mean ${number(r.estimate)}, 95% ${number(r.conf_low)} to ${number(r.conf_high)}` : "")), hoverinfo: "text",
          showlegend: groups.length <= 24,
        };
      });
      this.plot(traces, {
        xaxis: { title: label(x.replace(/_/g, " ")), automargin: "height", tickmode: "array", tickvals: places, ticktext: levels[x].map((l) => label(l, 24)) },
        yaxis: { title: label(`mean ${measure.replace(/_/g, " ")}`) }, showlegend: groups.length > 1,
      });
    }
  }

  class Map2 extends Means {
    draw() {
      const { x, by, rows, measure } = this.rows();
      if (!by) { this.view.replaceChildren(make("p", { className: "empty" }, "Choose two factors that differ.")); return; }
      const levels = this.run.data.levels;
      const grid = levels[by].map((g) => levels[x].map((l) => { const row = rows.find((r) => r.x_level === l && r.by_level === g); return row ? row.estimate : null; }));
      const known = grid.flat().filter((v) => v !== null);
      const low = Math.min(...known), high = Math.max(...known);
      const shades = grid.map((row) => row.map((v) => (v === null ? null : high > low ? (v - low) / (high - low) : 0.5)));
      const view = shaded([`${by.replace(/_/g, " ")} \\ ${x.replace(/_/g, " ")}`, ...levels[x]], levels[by], shades, grid.map((row) => row.map((v) => (v === null ? "" : String(+v.toPrecision(3))))));
      view.setAttribute("aria-label", `Mean ${measure} by ${x} and ${by}`);
      this.view.replaceChildren(view);
    }
  }

  class Course extends Panel {
    constructor(run, node, draws) {
      super(run, node, draws);
      this.measure = 0;
      this.factor = 0;
      this.controls.append(choice("Measure", run.data.measures, (i) => { this.measure = i; this.draw(); }));
      this.controls.append(choice("A line for each", run.data.factors, (i) => { this.factor = i; this.draw(); }));
    }

    draw() {
      const factor = this.run.data.factors[this.factor], measure = this.run.data.measures[this.measure];
      const levels = this.run.data.levels[factor];
      const traces = levels.map((level, i) => {
        const x = [], y = [];
        for (let row = 0; row < this.table.n; row++) {
          if (this.table.get("measure", row) === measure && this.table.get("factor", row) === factor && this.table.get("level", row) === level) { x.push(this.table.get("time", row)); y.push(this.table.get("mean", row)); }
        }
        return { x, y, mode: "lines+markers", name: label(`${factor} = ${level}`, 40), line: { color: colour(look(i, levels.length)), dash: DASHES[(i + Math.floor(i / 8)) % 4] }, marker: { symbol: marker(i), size: 6 }, showlegend: levels.length <= 24 };
      });
      this.plot(traces, { xaxis: { title: "time t" }, yaxis: { title: label(`mean ${measure.replace(/_/g, " ")}`) }, showlegend: levels.length > 1 });
    }
  }

  class Rows extends Panel {
    draw() {
      this.view.replaceChildren(htmlTable(this.table, this.title));
    }
  }

  const KINDS = { lines: Lines, apart: Apart, phrases: Phrases, models: Models, answers: Answers, reading: Reading, means: Means, map: Map2, course: Course, table: Rows };

  /* ---------- the page ---------- */

  const theme = document.getElementById("theme");
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const runs = [];
  function dress(how) {
    root.dataset.theme = how;
    theme.textContent = how === "dark" ? "Light colours" : "Dark colours";
    for (const run of runs) run.refresh();
  }
  theme.hidden = false;
  theme.addEventListener("click", () => dress(root.dataset.theme === "dark" ? "light" : "dark"));
  dark.addEventListener("change", () => dress(dark.matches ? "dark" : "light"));
  dress(dark.matches ? "dark" : "light");
  for (const section of document.querySelectorAll(".run")) runs.push(new Run(section));
  root.dataset.ready = String(Math.round(performance.now()));
})();
