(() => {
  const { byId, el, svg, icon, say, human, tones } = page;
  const data = JSON.parse(byId("data").textContent);
  const jobs = data.jobs;
  const CHUNK = 150;
  const BAD = { error: 0, failure: 1, allowed: 2, skipped: 3, passed: 4 };

  const begin = Date.parse(data.start);
  const clock = (seconds) =>
    seconds === undefined || seconds === null
      ? ""
      : new Date(begin + seconds * 1000).toLocaleTimeString(undefined, { hour12: false });

  // What is worked out of each job once.
  let span = Math.max(data.span, 0.001);
  const dependants = jobs.map(() => []);
  const ready = (job, number) => {
    job.number = number;
    job.q = job.q || [];
    job.a = job.a || [];
    job.tone = job.k === "allowed" ? "warn" : tones[job.o];
  };
  jobs.forEach((job, number) => {
    ready(job, number);
    job.q.forEach((need) => dependants[need].push(number));
  });
  const first = (job) => (job.a.length ? job.a[0][0] : undefined);
  const last = (job) => (job.a.length ? (job.a[job.a.length - 1][3] ?? span) : undefined);
  const known = new Map();
  const haystack = (job) => {
    if (!known.has(job)) {
      const texts = [job.n, job.m, job.o, say(job.o), job.i, job.g, job.f, job.x, data.servers[job.s], ...(job.t || []).map(([, text]) => text)];
      known.set(job, texts.concat(job.a.map((attempt) => attempt[5])).join("\n").toLowerCase());
    }
    return known.get(job);
  };

  // --- the timeline -------------------------------------------------------------------------------------------
  const percent = (seconds) => `${((100 * seconds) / span).toFixed(4)}%`;
  const segment = (name, from, to) => {
    const node = el("i", { class: `seg ${name}` });
    node.style.left = percent(from);
    node.style.width = percent(Math.max(0, to - from));
    return node;
  };
  const track = (job) => {
    const parts = [];
    const told = [];
    const free = Math.max(0, ...job.q.map((need) => last(jobs[need]) ?? 0));
    let seen = free;
    job.a.forEach(([submitted, accepted, running, ended, outcome]) => {
      if (submitted === null) return;
      if (submitted > seen) parts.push(segment("wait", seen, submitted));
      const end = ended ?? span;
      const posted = accepted ?? end;
      parts.push(segment("post", submitted, posted));
      told.push(`sent at ${human(submitted)}`);
      if (accepted !== null) {
        // Not seen to run: it ran between two looks if it came to an end of its own, else it was waiting all along.
        const ran = running ?? (["succeeded", "failed", "cancelled"].includes(outcome) ? accepted : end);
        if (ran > accepted) {
          parts.push(segment("queue", accepted, ran));
          told.push(`queued for ${human(ran - accepted)}`);
        }
        if (end > ran) {
          parts.push(segment(ended === null ? "run open-end" : "run", ran, end));
          told.push(`${ended === null ? "running for" : "ran for"} ${human(end - ran)}`);
        }
      }
      seen = end;
    });
    if (!told.length) {
      const why = job.k === "skipped" || job.o === "pending" ? "not sent" : "never accepted";
      return el("span", { class: "never" }, el("bdi", {}, (job.g || "").split("\n")[0] || why));
    }
    const label = told.join(", ");
    return el("div", { class: "track", role: "img", "aria-label": label, title: label }, ...parts);
  };
  const step = () => {
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];
    const most = innerWidth < 704 ? 4 : 7;
    return steps.find((each) => span / each <= most) || Math.ceil(span / most / 86400) * 86400;
  };
  const drawAxis = () => {
    const size = step();
    const marks = [];
    for (let at = 0; at <= span * 1.0001; at += size) {
      const mark = el("span", at > span * 0.95 ? { class: "last" } : {}, human(Number(at.toFixed(3))) || "0s");
      mark.style.left = percent(at);
      marks.push(mark);
    }
    byId("axis").replaceChildren(...marks);
    byId("rows").style.setProperty("--tick", percent(size));
  };

  // --- rows ---------------------------------------------------------------------------------------------------
  const rows = byId("rows");
  const state = { outcomes: new Set(), text: "", sort: "bad", folded: true, shown: [], built: 0 };
  const opened = new Set();
  const many = data.manifests > 1;

  // What other nights tell: the last ten ends, and the usual time.
  const nights = (job) => {
    const newest = [...(job.h || "")];
    const bad = newest.filter((letter) => !"sbpk".includes(letter)).length;
    const said = `its last ${newest.length} ${newest.length === 1 ? "run" : "runs"}: ${bad} not well`;
    const strip = newest.map((letter) => el("i", { class: `tone-${tones[data.outcomes[letter]] || "unsure"}`, title: say(data.outcomes[letter] || "unknown") }));
    return [
      newest.length ? el("span", { class: "strip", role: "img", "aria-label": said }, ...strip) : "",
      job.z === undefined ? "" : el("span", job.y ? { class: "slow", title: "slower than usual" } : {}, ` ${job.y ? "slow, " : ""}${human(job.z)}`),
    ];
  };
  const row = (job) => {
    const word = say(job.o) + (job.k === "allowed" ? ", allowed" : "");
    const open = el(
      "button",
      { type: "button", class: "open", "aria-expanded": String(opened.has(job.number)), "aria-controls": `detail-${job.number}`, title: job.n },
      el("bdi", {}, job.n, many && !job.n.startsWith(`${job.m}/`) ? el("small", {}, ` ${job.m}`) : ""),
    );
    const cell = (name, ...children) => el("td", { role: "cell", class: name }, ...children);
    const node = el(
      "tr",
      { role: "row", id: `job-${job.number}`, class: `job tone-${job.tone}${BAD[job.k] < 2 ? " bad" : ""}` },
      cell("", open),
      cell("outcome-cell", el("span", { class: "outcome" }, icon(job.o), word)),
      cell("line", track(job)),
      cell("time", human(job.d)),
      cell("past", ...nights(job)),
      cell("id", el("bdi", { title: job.i }, job.i)),
    );
    node.dataset.number = job.number;
    return node;
  };
  const link = (number) => el("a", { href: `#job-${number}` }, el("bdi", {}, jobs[number].n));
  const fact = (name, ...value) => (value.some((each) => each) ? [el("dt", {}, name), el("dd", {}, ...value)] : []);
  const attemptLine = (attempt, number) => {
    const [submitted, accepted, running, ended, outcome, id, code, message, status, tries] = attempt;
    const parts = [
      outcome ? say(outcome) : "not ended",
      id && `job ${id}`,
      submitted !== null && `sent ${clock(submitted)}${tries > 1 ? ` (${tries} tries)` : ""}`,
      accepted !== null && `accepted ${clock(accepted)}`,
      running !== null && `running ${clock(running)}`,
      ended !== null && `ended ${clock(ended)}`,
      code !== null && `exit code ${code}`,
      status && `the server says “${status}”`,
    ].filter(Boolean);
    return el("li", { value: number + 1 }, parts.join(" · "), message && number + 1 ? el("div", {}, message) : "");
  };
  // JSON with a line for each value; what reads it would make other numbers of some. A text may be cut short.
  const indented = (json) => {
    let margin = "\n";
    return json.replace(/"(?:[^"\\]|\\.)*"?|\{\}|\[\]|[{[]|[}\]]|[,:] ?/g, (found) => {
      if (found === "{" || found === "[") return found + (margin += "  ");
      if (found === "}" || found === "]") return (margin = margin.slice(0, -2) || "\n") + found;
      return found[0] === "," ? `,${margin}` : found[0] === ":" ? ": " : found;
    });
  };
  const detail = (job) => {
    const list = el(
      "dl",
      {},
      ...fact("Server", data.servers[job.s]),
      ...fact("Described in", job.f),
      ...fact("Reason", job.r === "done" ? "" : job.r),
      ...fact("Usual time", job.z === undefined ? "" : `${human(job.z)}${job.y ? "; this time it was slower" : ""}`),
      ...(job.t || []).flatMap(([name, text]) => fact(name, text)),
      ...fact("Needs", ...job.q.map((need) => el("span", { class: "links" }, link(need)))),
      ...fact("Needed by", ...dependants[job.number].slice(0, 30).map((each) => el("span", { class: "links" }, link(each)))),
    );
    const parts = [job.x ? el("p", {}, job.x) : null, job.g ? el("pre", { class: "why-not" }, job.g) : null, list];
    if (job.a.length) parts.push(el("h3", {}, "Attempts"), el("ol", {}, ...job.a.map(attemptLine)));
    if (job.p) parts.push(el("h3", {}, "Request"), el("pre", { tabindex: "0" }, indented(job.p)));
    if (job.u) parts.push(el("h3", {}, "Outputs"), el("pre", { tabindex: "0" }, indented(job.u)));
    const cell = el("td", { role: "cell", colspan: "6" }, ...parts.filter(Boolean));
    return el("tr", { role: "row", class: `detail tone-${job.tone}`, id: `detail-${job.number}` }, cell);
  };
  const nodes = (job) => (opened.has(job.number) ? [row(job), detail(job)] : [row(job)]);

  const build = (count) => {
    const next = state.shown.slice(state.built, state.built + count);
    const batch = document.createDocumentFragment();
    next.forEach((job) => batch.append(...nodes(job)));
    rows.insertBefore(batch, rows.querySelector(".fold"));
    state.built += next.length;
    const left = state.shown.length - state.built;
    byId("rest").hidden = left === 0;
    byId("more").textContent = `Show more (${left.toLocaleString("en")} left)`;
  };
  const orders = {
    order: (a, b) => a.number - b.number,
    bad: (a, b) => BAD[a.k] - BAD[b.k] || a.number - b.number,
    start: (a, b) => (first(a) ?? Infinity) - (first(b) ?? Infinity) || a.number - b.number,
    long: (a, b) => (b.d ?? -1) - (a.d ?? -1) || a.number - b.number,
    name: (a, b) => a.n.localeCompare(b.n, undefined, { numeric: true }) || a.number - b.number,
  };
  const show = () => {
    const wanted = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    state.shown = jobs.filter(
      (job) =>
        (!state.outcomes.size || state.outcomes.has(job.o)) && wanted.every((each) => haystack(job).includes(each)),
    );
    if (state.sort !== "order") state.shown.sort(orders[state.sort]);
    const matching = state.shown.length;
    state.built = 0;
    rows.replaceChildren();
    // Skipped jobs tell of others: where nobody asked for them, they stand as one row.
    const skipped = state.shown.filter((job) => job.k === "skipped");
    const fold = state.folded && !state.outcomes.size && !wanted.length && state.sort === "bad" && skipped.length > 3;
    if (fold) {
      state.shown = state.shown.filter((job) => job.k !== "skipped");
      const open = el("button", { type: "button" }, `and ${skipped.length.toLocaleString("en")} skipped`);
      open.addEventListener("click", () => unfold());
      rows.append(el("tr", { role: "row", class: "fold" }, el("td", { role: "cell", colspan: "6" }, open)));
    }
    clearLines();
    build(CHUNK);
    if (!matching) {
      rows.append(el("tr", { role: "row", class: "none" }, el("td", { role: "cell", colspan: "6" }, "No job matches.")));
    }
    const all = matching === jobs.length;
    const some = (count) => count.toLocaleString("en");
    const total = `${some(jobs.length)} job${jobs.length === 1 ? "" : "s"}`;
    byId("status").textContent = all ? total : `${some(matching)} of ${total}`;
    document.querySelectorAll(".filter").forEach((button) => {
      const name = button.dataset.outcome;
      button.setAttribute("aria-pressed", String(name ? state.outcomes.has(name) : !state.outcomes.size));
    });
    document.querySelectorAll("th button").forEach((button) => {
      const on = button.dataset.sort === state.sort;
      const header = button.closest("th");
      if (on) header.setAttribute("aria-sort", state.sort === "long" ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    });
    byId("sort").value = state.sort;
  };

  const unfold = () => {
    state.folded = false;
    show();
  };

  // --- needs as lines -----------------------------------------------------------------------------------------
  const lines = byId("needs");
  const clearLines = () => {
    lines.replaceChildren();
    rows.querySelectorAll(".kin, .on").forEach((node) => node.classList.remove("kin", "on"));
  };
  const drawLines = (job) => {
    clearLines();
    const here = byId(`job-${job.number}`);
    if (!here) return;
    here.classList.add("on");
    const frame = lines.getBoundingClientRect();
    const point = (node, seconds) => {
      const box = node.querySelector(".line").firstElementChild.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, seconds / span));
      return [box.left - frame.left + box.width * share, box.top - frame.top + box.height / 2];
    };
    const join = (before, after, name) => {
      const [from, to] = [byId(`job-${before.number}`), byId(`job-${after.number}`)];
      if (!from || !to) return;
      (before === job ? to : from).classList.add("kin");
      const [x1, y1] = point(from, last(before) ?? first(after) ?? 0);
      const [x2, y2] = point(to, first(after) ?? last(before) ?? 0);
      const bend = Math.max(14, Math.abs(x2 - x1) / 2);
      lines.append(
        svg("path", { class: name, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }),
        svg("circle", { cx: x1, cy: y1, r: 3 }),
        svg("circle", { cx: x2, cy: y2, r: 3 }),
      );
    };
    job.q.forEach((need) => join(jobs[need], job, "before"));
    dependants[job.number].slice(0, 200).forEach((each) => join(job, jobs[each], "after"));
  };
  const jobOf = (event) => {
    const node = event.target.closest && event.target.closest("tr.job");
    return node ? jobs[Number(node.dataset.number)] : null;
  };
  rows.addEventListener("mouseover", (event) => jobOf(event) && drawLines(jobOf(event)));
  rows.addEventListener("focusin", (event) => jobOf(event) && drawLines(jobOf(event)));
  rows.addEventListener("mouseleave", clearLines);
  rows.addEventListener("focusout", clearLines);

  // --- the picture of what needs what -------------------------------------------------------------------------
  const WIDE = 196;
  const BOX = 158;
  const HIGH = 34;
  const boxes = new Map();
  const worstOf = (some) => some.reduce((a, b) => (BAD[jobs[b].k] < BAD[jobs[a].k] ? b : a));
  const drawGraph = () => {
    const graph = data.graph;
    if (!graph) return;
    const [width, height] = [graph.layers * WIDE - (WIDE - BOX) + 8, graph.rows * HIGH + 8];
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Jobs and what they need" });
    const at = ([, layer, row]) => [4 + layer * WIDE, 4 + row * HIGH];
    const lines = graph.edges.map(([from, to]) => {
      const [x1, y1] = at(graph.nodes[from]);
      const [x2, y2] = at(graph.nodes[to]);
      const [start, end, middle] = [x1 + BOX, x2, (x1 + BOX + x2) / 2];
      return svg("path", { class: "edge", d: `M${start} ${y1 + 13}C${middle} ${y1 + 13} ${middle} ${y2 + 13} ${end} ${y2 + 13}` });
    });
    picture.append(...lines);
    graph.nodes.forEach((node, number) => {
      const [x, y] = at(node);
      const some = node[0];
      const job = jobs[worstOf(some)];
      const name = some.length === 1 ? job.n : `${some.length} jobs`;
      const link = svg("a", { href: `#job-${job.number}`, class: `node tone-${job.tone}`, transform: `translate(${x} ${y})` });
      const title = svg("title", {});
      const text = svg("text", { x: 27, y: 17 });
      text.textContent = name.length > 19 ? `${name.slice(0, 18)}…` : name;
      const sign = svg("use", { href: `#i-${job.o}`, x: 7, y: 6, width: 14, height: 14 });
      link.append(title, svg("rect", { width: BOX, height: 26 }), sign, text);
      const refresh = () => {
        const worst = jobs[worstOf(some)];
        link.setAttribute("class", `node tone-${worst.tone}`);
        sign.setAttribute("href", `#i-${worst.o}`);
        title.textContent = some.length === 1 ? `${worst.n}: ${say(worst.o)}` : `${some.length} jobs of one level, at worst ${say(worst.o)}`;
      };
      refresh();
      some.forEach((each) => boxes.set(each, refresh));
      const light = (on) => graph.edges.forEach(([from, to], edge) => (from === number || to === number) && lines[edge].classList.toggle("on", on));
      link.addEventListener("mouseenter", () => light(true));
      link.addEventListener("mouseleave", () => light(false));
      link.addEventListener("focus", () => light(true));
      link.addEventListener("blur", () => light(false));
      picture.append(link);
    });
    byId("graph").replaceChildren(picture);
    byId("picture").hidden = false;
    // Where there is more than fits, the first that did not go well is what is looked for.
    const first = graph.nodes.find((node) => BAD[jobs[worstOf(node[0])].k] < 2);
    if (first) {
      const [x, y] = at(first);
      byId("graph").scrollTo(x - byId("graph").clientWidth / 2, y - byId("graph").clientHeight / 2);
    }
    const drawn = graph.nodes.reduce((total, node) => total + node[0].length, 0);
    const folded = graph.nodes.some((node) => node[0].length > 1);
    const left = jobs.length - drawn;
    byId("graph-note").textContent = [
      folded ? "Jobs of one level that went well stand together." : "",
      left === 1 ? "One more job needs nothing, and nobody needs it." : left ? `${left.toLocaleString("en")} more need nothing, and nobody needs them.` : "",
    ].filter(Boolean).join(" ");
  };

  // --- news, where the page comes from a server and the run goes on ---------------------------------------------
  const take = (news) => {
    span = Math.max(news.span, 0.001);
    for (const [number, job] of Object.entries(news.jobs)) {
      const old = jobs[number];
      const fresh = { ...job, h: old.h, z: old.z };
      ready(fresh, Number(number));
      jobs[number] = fresh;
      known.delete(old);
      if (boxes.has(fresh.number)) boxes.get(fresh.number)();
    }
    byId("badge").className = `badge tone-${news.tone}`;
    byId("badge").replaceChildren(icon(news.icon), el("span", {}, news.word));
    const buttons = Object.entries(news.counts).map(([name, count]) => {
      const button = el("button", { type: "button", class: `filter tone-${tones[name]}`, "data-outcome": name, "data-count": count, "aria-pressed": String(state.outcomes.has(name)) }, icon(name), say(name), " ", el("b", {}, count.toLocaleString("en")));
      return button;
    });
    byId("filters").replaceChildren(byId("filters").firstElementChild, ...buttons);
    drawShare();
    drawAxis();
    // Rows stay where they are while somebody reads them; only what they say is new.
    state.shown = state.shown.map((job) => jobs[job.number]);
    rows.querySelectorAll("tr.job").forEach((node) => {
      const job = jobs[Number(node.dataset.number)];
      const focused = node.contains(document.activeElement);
      const fresh = row(job);
      node.replaceWith(fresh);
      if (focused) fresh.querySelector(".open").focus({ preventScroll: true });
    });
  };
  const hear = () => page.listen(data.live, {
    message: (event) => take(JSON.parse(event.data)),
    // At its end the page is fetched once more, whole.
    over: () => location.reload(),
  });

  // --- what people do -----------------------------------------------------------------------------------------
  const toggle = (job, open) => {
    const node = byId(`job-${job.number}`);
    const shown = byId(`detail-${job.number}`);
    if (open) opened.add(job.number);
    else opened.delete(job.number);
    node.querySelector(".open").setAttribute("aria-expanded", String(open));
    if (open && !shown) node.after(detail(job));
    if (!open && shown) shown.remove();
    clearLines();
  };
  rows.addEventListener("click", (event) => {
    const job = jobOf(event);
    if (job && !String(getSelection())) toggle(job, !opened.has(job.number));
  });
  const jump = () => {
    const job = jobs[Number((location.hash.match(/^#job-(\d+)$/) || [])[1])];
    if (!job) return;
    if (!state.shown.includes(job)) {
      state.folded = false;
      state.outcomes.clear();
      state.text = byId("search").value = "";
      show();
    }
    const place = state.shown.indexOf(job);
    if (place >= state.built) build(place + 1 - state.built);
    toggle(job, true);
    const node = byId(`job-${job.number}`);
    node.scrollIntoView({ block: "center" });
    node.querySelector(".open").focus({ preventScroll: true });
  };
  addEventListener("hashchange", jump);
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest && event.target.closest('a[href^="#job-"]');
    if (anchor && anchor.hash === location.hash) jump(); // the same link a second time is no hashchange
  });
  byId("filters").addEventListener("click", (event) => {
    const button = event.target.closest(".filter");
    if (!button) return;
    const name = button.dataset.outcome;
    if (!name) state.outcomes.clear();
    else if (!state.outcomes.delete(name)) state.outcomes.add(name);
    show();
  });
  document.querySelectorAll(".also").forEach((button) =>
    button.addEventListener("click", () => {
      state.outcomes.clear();
      if (button.dataset.outcome) state.outcomes.add(button.dataset.outcome);
      state.text = byId("search").value = button.dataset.text || "";
      state.sort = "bad";
      show();
      byId("jobs").scrollIntoView();
      byId("jobs").focus({ preventScroll: true });
    }),
  );
  let timer = 0;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      state.text = event.target.value;
      show();
    }, 60);
  });
  const sortBy = (name) => {
    state.sort = name;
    show();
  };
  byId("sort").addEventListener("change", (event) => sortBy(event.target.value));
  document.querySelectorAll("th button").forEach((button) =>
    button.addEventListener("click", () => sortBy(state.sort === button.dataset.sort ? "order" : button.dataset.sort)),
  );
  byId("more").addEventListener("click", () => build(CHUNK * 4));
  if ("IntersectionObserver" in window) {
    new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && build(CHUNK),
      { rootMargin: "600px" },
    ).observe(byId("rest"));
  }
  addEventListener("beforeprint", () => {
    if (rows.querySelector(".fold")) unfold();
    build(state.shown.length);
  });
  addEventListener("resize", () => {
    drawAxis();
    clearLines();
  });

  // --- begin --------------------------------------------------------------------------------------------------
  const drawShare = () => {
    const parts = [...document.querySelectorAll(".filter[data-count]")].map((button) => {
      const part = el("i", { class: [...button.classList].find((name) => name.startsWith("tone-")) });
      part.style.flexGrow = button.dataset.count;
      return part;
    });
    byId("share").replaceChildren(...parts);
  };
  drawShare();
  byId("app").hidden = false;
  drawGraph();
  drawAxis();
  show();
  jump();
  hear();
})();
