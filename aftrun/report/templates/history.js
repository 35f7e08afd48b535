(() => {
  const { byId, el, svg, human } = page;
  const data = JSON.parse(byId("data").textContent);
  const { runs, manifests, causes, words, marks, tones, concerns } = data;
  const NEWEST = 60;
  const toneOf = (letter) => tones[letter] || "unsure";
  const wordOf = (letter) => words[letter] || "unknown";
  const markOf = (letter) => marks[letter] || "?";
  const isBad = (letter) => "fructiwe".includes(letter);
  const isUnsure = (letter) => "xo?".includes(letter);
  const WORST = "fructwe" + "xo?" + "i" + "sbp" + "nk";
  const worst = (letters) => [...letters].sort((a, b) => WORST.indexOf(a) - WORST.indexOf(b))[0];
  // A formatter is made once: making one costs more than using it a hundred times.
  const format = (style) => {
    const made = new Intl.DateTimeFormat(undefined, style);
    return (seconds) => made.format(new Date(seconds * 1000));
  };
  const when = format({ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
  const short = format({ month: "short", day: "numeric" });
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const runLink = (run) => (run[6] ? el("a", { href: run[6] }, run[0]) : el("span", {}, run[0]));

  // --- runs: as bars and as a list ----------------------------------------------------------------------------
  const showRuns = (numbers, title) => {
    byId("day").textContent = title;
    const shown = numbers.slice(-NEWEST);
    const longest = Math.max(...shown.map((number) => runs[number][2] || 0), 1);
    byId("bars").replaceChildren(
      ...shown.map((number) => {
        const run = runs[number];
        const said = `${when(run[1])}: ${wordOf(run[3])}${run[2] === null ? "" : ` in ${human(run[2])}`}`;
        const bar = el(run[6] ? "a" : "i", { href: run[6] || undefined, class: `tone-${toneOf(run[3])}`, title: said });
        if (run[6]) bar.setAttribute("aria-label", said);
        if (run[6]) bar.tabIndex = -1; // the list below has the same links
        bar.style.height = `${Math.max(4, (100 * (run[2] || 0)) / longest)}%`;
        return bar;
      }),
    );
    byId("bars").setAttribute("aria-hidden", "true");
    byId("runs").replaceChildren(
      ...[...shown].reverse().map((number) => {
        const run = runs[number];
        return el(
          "tr",
          { class: `tone-${toneOf(run[3])}` },
          el("td", {}, runLink(run)),
          el("td", {}, when(run[1])),
          el("td", {}, human(run[2])),
          el("td", {}, el("span", { class: "outcome" }, `${markOf(run[3])} ${wordOf(run[3])}`), run[5] ? el("small", {}, ` ${run[5]}`) : ""),
        );
      }),
    );
  };
  const showAll = () => {
    document.querySelectorAll(".day[aria-pressed=true]").forEach((node) => node.setAttribute("aria-pressed", "false"));
    byId("all").hidden = true;
    const every = runs.map((_, number) => number);
    showRuns(every, every.length > NEWEST ? `the newest ${NEWEST} of ${every.length.toLocaleString("en")}` : "");
  };
  byId("all").addEventListener("click", showAll);

  // --- the calendar -------------------------------------------------------------------------------------------
  const DAY = 86400000;
  const dayOf = (seconds) => {
    const at = new Date(seconds * 1000);
    return Math.round(Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / DAY); // as this place counts days
  };
  const weekday = (day) => (day + 3) % 7; // Monday is 0
  const ofDay = (style) => {
    const made = format({ timeZone: "UTC", ...style });
    return (day) => made((day * DAY) / 1000);
  };
  const fullDay = ofDay({ weekday: "long", year: "numeric", month: "long", day: "numeric" });
  const month = ofDay({ month: "short" });
  const dayName = ofDay({ weekday: "short" });
  const calendar = (manifest) => {
    const days = new Map();
    manifest.runs.forEach((number, place) => {
      const day = dayOf(runs[number][1]);
      if (!days.has(day)) days.set(day, { letters: "", runs: [] });
      days.get(day).letters += manifest.e[place];
      days.get(day).runs.push(number);
    });
    const last = Math.max(...days.keys());
    const begin = Math.max(Math.min(...days.keys()), last - 370);
    const first = begin - weekday(begin);
    const weeks = Math.floor((last - first) / 7) + 1;
    const head = el("tr", {}, el("td", {}));
    for (let week = 0; week < weeks; week += 1) {
      const monday = first + 7 * week;
      const date = new Date(monday * DAY).getUTCDate();
      head.append(el("th", { scope: "col" }, date <= 7 || (week === 0 && date < 22) ? month(monday) : ""));
    }
    const rows = [];
    for (let row = 0; row < 7; row += 1) {
      const line = el("tr", {}, el("th", { scope: "row" }, dayName(first + row)));
      for (let week = 0; week < weeks; week += 1) {
        const day = first + 7 * week + row;
        const found = days.get(day);
        if (!found) {
          line.append(el("td", {}, day >= begin && day <= last ? el("i", { class: "none-ran", title: `${fullDay(day)}: no run` }) : ""));
          continue;
        }
        const letter = worst(found.letters);
        const said = `${fullDay(day)}: ${count(found.runs.length, "run")}, ${wordOf(letter)}`;
        const button = el("button", { type: "button", class: `day tone-${toneOf(letter)}`, title: said, "aria-label": said, "aria-pressed": "false", tabindex: "-1" }, markOf(letter));
        button.dataset.row = row;
        button.dataset.week = week;
        button.addEventListener("click", () => {
          const on = button.getAttribute("aria-pressed") === "true";
          showAll();
          if (on) return;
          button.setAttribute("aria-pressed", "true");
          byId("all").hidden = false;
          showRuns(found.runs, `of ${fullDay(day)}`);
        });
        line.append(el("td", {}, button));
      }
      rows.push(line);
    }
    const name = manifest.name + (manifest.sandbox ? " (sandbox)" : "");
    const table = el("table", { "aria-label": `Nights of ${name}` }, el("thead", {}, head), el("tbody", {}, ...rows));
    const box = el("div", { class: "weeks" }, table);
    // One stop for Tab; the arrows go from night to night.
    const buttons = [...table.querySelectorAll("button")];
    buttons.reduce((a, b) => (Number(b.dataset.week) * 7 + Number(b.dataset.row) > Number(a.dataset.week) * 7 + Number(a.dataset.row) ? b : a)).tabIndex = 0;
    table.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      const here = event.target.closest("button");
      if (!step || !here) return;
      event.preventDefault();
      let [row, week] = [Number(here.dataset.row), Number(here.dataset.week)];
      for (let tries = 0; tries < 400; tries += 1) {
        row += step[0];
        week += step[1];
        if (row < 0) [row, week] = [6, week - 1];
        if (row > 6) [row, week] = [0, week + 1];
        if (week < 0 || week >= weeks) return;
        const next = table.querySelector(`button[data-row="${row}"][data-week="${week}"]`);
        if (!next) continue;
        here.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
        return;
      }
    });
    return el("div", { class: "calendar" }, manifests.length > 1 ? el("h3", {}, el("bdi", {}, name)) : "", box);
  };

  // --- a job: its times as a line, its failures as marks ------------------------------------------------------
  const WIDE = 300;
  const HIGH = 76;
  const BASE = 60;
  const chart = (job) => {
    const places = [];
    for (let place = 0; place < job.e.length; place += 1) if (job.e[place] !== " ") places.push(place);
    const size = Math.max(1, Math.ceil(places.length / 240));
    const cells = [];
    for (let at = 0; at < places.length; at += size) {
      const some = places.slice(at, at + size);
      const times = some.filter((place) => job.e[place] === "s" && job.t[place] !== null).map((place) => job.t[place]);
      cells.push({
        time: times.length ? Math.max(...times) : null,
        bad: some.some((place) => isBad(job.e[place])),
        unsure: some.some((place) => isUnsure(job.e[place])),
      });
    }
    const most = Math.max(...cells.map((cell) => cell.time || 0), 0.001);
    const x = (number) => (cells.length < 2 ? WIDE / 2 : (number * WIDE) / (cells.length - 1));
    const y = (time) => BASE - (time * (BASE - 6)) / most;
    const points = [];
    cells.forEach((cell, number) => cell.time !== null && points.push(`${x(number).toFixed(1)} ${y(cell.time).toFixed(1)}`));
    const said = [
      count(places.length, "run"),
      count(job.f, "failure"),
      job.m === null ? "" : `median ${human(job.m)}`,
      job.g ? `slower than usual: ${human(job.g[0])} of late` : "",
    ].filter(Boolean);
    const box = svg("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": said.join(", ") });
    if (points.length > 1) {
      const [start, end] = [points[0].split(" ")[0], points[points.length - 1].split(" ")[0]];
      box.append(svg("path", { class: "area", d: `M${start} ${BASE}L${points.join("L")}L${end} ${BASE}Z` }));
      box.append(svg("path", { class: "line", d: `M${points.join("L")}` }));
    } else if (points.length) {
      box.append(svg("path", { class: "line", d: `M${x(0) - 4} ${points[0].split(" ")[1]}h8` }));
    }
    if (job.m !== null) box.append(svg("path", { class: "usual", d: `M0 ${y(Math.min(job.m, most)).toFixed(1)}H${WIDE}` }));
    const crosses = (name, which) => {
      const d = cells.map((cell, number) => (cell[which] ? `M${(x(number) - 2.5).toFixed(1)} ${BASE + 5}l5 8m0-8l-5 8` : "")).join("");
      if (d) box.append(svg("path", { class: name, d }));
    };
    crosses("fail", "bad");
    crosses("unsure", "unsure");
    return box;
  };
  const ends = (manifest, job) => {
    const found = [];
    for (let place = job.e.length - 1; place >= 0 && found.length < NEWEST; place -= 1) {
      const letter = job.e[place];
      if (letter === " ") continue;
      const run = runs[manifest.runs[place]];
      const cause = job.w[place] === undefined ? "" : causes[job.w[place]];
      found.push(
        el(
          "li",
          { class: `tone-${toneOf(letter)}` },
          el("span", { class: "outcome" }, `${markOf(letter)} ${wordOf(letter)}`),
          ` ${job.t[place] === null ? "" : human(job.t[place])} · ${when(run[1])} · `,
          runLink(run),
          cause ? el("small", {}, el("bdi", {}, cause)) : "",
        ),
      );
    }
    return el("ol", { tabindex: "0" }, ...found);
  };
  const card = (manifest, place, job, number) => {
    const wants = job.a.length ? concerns[job.a[0][0]] : "";
    const newest = [...job.e].filter((letter) => letter !== " ").slice(-20);
    const said = `its last ${count(newest.length, "run")}: ${newest.filter(isBad).length} failed`;
    const details = el("details", {}, el("summary", {}, "runs"));
    details.addEventListener("toggle", () => details.open && details.childElementCount < 2 && details.append(ends(manifest, job)), { once: false });
    const first = runs[manifest.runs[job.e.search(/[^ ]/)]];
    const last = runs[manifest.runs[job.e.trimEnd().length - 1]];
    return el(
      "article",
      { class: `job${wants ? ` wants tone-${wants}` : ""}`, id: `job-${place}-${number}`, "aria-label": job.n },
      el("h4", {}, el("bdi", {}, job.n)),
      ...job.a.map(([concern, text]) => el("p", { class: `note tone-${concerns[concern]}` }, text)),
      el(
        "p",
        { class: "numbers" },
        el("span", {}, el("b", {}, job.r === null ? "–" : `${Math.round(job.r * 1000) / 10}%`), " failed"),
        el("span", {}, "P50 ", el("b", {}, job.m === null ? "–" : human(job.m))),
        el("span", {}, "P95 ", el("b", {}, job.p === null ? "–" : human(job.p))),
        el("span", {}, count(job.c, "run")),
      ),
      chart(job),
      el("p", { class: "axis2", "aria-hidden": "true" }, el("span", {}, short(first[1])), el("span", {}, short(last[1]))),
      el("p", {}, el("span", { class: "strip", role: "img", "aria-label": said }, ...newest.map((letter) => el("i", { class: `tone-${toneOf(letter)}`, title: wordOf(letter) }, markOf(letter))))),
      details,
    );
  };
  const orders = {
    attention: (a, b) => a.u - b.u || (b.r || 0) - (a.r || 0) || a.n.localeCompare(b.n),
    failed: (a, b) => (b.r || 0) - (a.r || 0) || a.n.localeCompare(b.n),
    long: (a, b) => (b.m || 0) - (a.m || 0) || a.n.localeCompare(b.n),
    name: (a, b) => a.n.localeCompare(b.n, undefined, { numeric: true }),
  };
  manifests.forEach((manifest) => manifest.jobs.forEach((job, number) => (job.number = number)));
  const built = new Map();
  const cardOf = (manifest, place, job) => {
    if (!built.has(job)) built.set(job, card(manifest, place, job, job.number));
    return built.get(job);
  };
  const show = () => {
    const wanted = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let [total, left] = [0, 0];
    byId("cards").replaceChildren(
      ...manifests.flatMap((manifest, place) => {
        const found = manifest.jobs.filter((job) => wanted.every((each) => `${manifest.name}/${job.n}`.toLowerCase().includes(each)));
        total += manifest.jobs.length;
        left += found.length;
        if (!found.length) return [];
        const name = manifest.name + (manifest.sandbox ? " (sandbox)" : "");
        const grid = el("div", { class: "grid" }, ...found.sort(orders[byId("sort").value]).map((job) => cardOf(manifest, place, job)));
        return [el("div", { class: "group" }, el("h3", {}, el("bdi", {}, name)), grid)];
      }),
    );
    byId("status").textContent = left === total ? count(total, "job") : `${left.toLocaleString("en")} of ${count(total, "job")}`;
  };
  byId("search").addEventListener("input", show);
  byId("sort").addEventListener("change", show);
  const jump = () => {
    const node = location.hash.startsWith("#job-") && byId(location.hash.slice(1));
    if (node) node.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", jump);

  // Where the page comes from a server: when something new is on record, it is shown.
  page.listen(data.live, { message: () => location.reload() });

  byId("app").hidden = false;
  byId("calendars").replaceChildren(...manifests.filter((manifest) => manifest.runs.length).map(calendar));
  document.querySelectorAll(".weeks").forEach((box) => (box.scrollLeft = box.scrollWidth));
  showAll();
  show();
  jump();
})();
