// The map: the world's outline, maps of areas and own lines beneath; meters in shapes and colours that say how they
// are doing; receivers with what they hear. Without WebGL the page says so and points to the list.

const told = JSON.parse(document.getElementById("map-told").textContent);
const frame = document.getElementById("map");
const css = getComputedStyle(document.documentElement);
const colour = (name) => css.getPropertyValue(name).trim();
const numbers = new Intl.NumberFormat(told.language);
const MISSING = 1, ALARM = 2, FOREIGN = 4;
const CLOSE = 13; // from this zoom on meters have shapes; further out they are dots

function trouble(text) {
  const note = document.getElementById("map-trouble");
  note.querySelector("p").textContent = text;
  note.hidden = false;
  frame.closest(".map-frame").hidden = true;
}

/** Meters as the server packs them: count, ids, positions, looks (little-endian). */
async function fetchMeters() {
  const answer = await fetch(told.urls.meters);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const count = new DataView(bytes).getUint32(0, true);
  return {
    count,
    ids: new Uint32Array(bytes, 4, count),
    places: new Float32Array(bytes, 4 + 4 * count, 2 * count),
    looks: new Uint8Array(bytes, 4 + 12 * count, count),
  };
}

function asFeatures(meters) {
  const features = new Array(meters.count);
  for (let n = 0; n < meters.count; n += 1) {
    features[n] = {
      type: "Feature",
      id: meters.ids[n],
      properties: { look: meters.looks[n], n },
      geometry: { type: "Point", coordinates: [meters.places[2 * n], meters.places[2 * n + 1]] },
    };
  }
  return { type: "FeatureCollection", features };
}

/** The shape of a look, drawn at twice the size for sharp screens. */
function shape(look) {
  const size = 40, canvas = new OffscreenCanvas(size, size), pen = canvas.getContext("2d");
  const outline = {
    disc: () => pen.arc(20, 20, 12, 0, 2 * Math.PI),
    square: () => pen.rect(9, 9, 22, 22),
    triangle: () => path([[20, 5], [36, 33], [4, 33]]),
    diamond: () => path([[20, 4], [36, 20], [20, 36], [4, 20]]),
    house: () => path([[20, 4], [36, 16], [30, 35], [10, 35], [4, 16]]),
  };
  function path(corners) {
    pen.moveTo(...corners[0]);
    for (const corner of corners.slice(1)) pen.lineTo(...corner);
    pen.closePath();
  }
  function draw(name, fill, small = false) {
    pen.save();
    if (small) { pen.translate(19, 19); pen.scale(0.5, 0.5); }
    pen.beginPath();
    outline[name]();
    pen.lineWidth = small ? 6 : 4;
    pen.strokeStyle = "#ffffff";
    pen.stroke();
    pen.fillStyle = fill;
    pen.fill();
    pen.restore();
  }
  const own = [["disc", colour("--map-read")], ["square", colour("--map-missing")], ["triangle", colour("--map-alarm")]];
  if (look === "collector") draw("house", colour("--map-collector"));
  else if (look & FOREIGN) {
    draw("diamond", colour("--map-foreign"));
    if (look & (MISSING | ALARM)) draw(...own[look & (MISSING | ALARM)], true);
  } else draw(...own[look]);
  return pen.getImageData(0, 0, size, size);
}

/** Layers for the vector tiles of an area, by the names the two common schemes use. */
function areaLayers(source, names) {
  const land = colour("--surface"), water = colour("--map-water"), road = colour("--line-strong");
  const found = [];
  const add = (layer) => { if (names.includes(layer["source-layer"])) found.push({ source, ...layer, id: `${source}-${found.length}` }); };
  const widths = (least, most) => ["interpolate", ["exponential", 1.6], ["zoom"], 8, least, 18, most];
  add({ type: "fill", "source-layer": "earth", paint: { "fill-color": land } });
  for (const name of ["landuse", "landcover"]) add({ type: "fill", "source-layer": name, paint: { "fill-color": colour("--good-soft"), "fill-opacity": 0.5 } });
  add({ type: "fill", "source-layer": "water", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": water } });
  add({ type: "line", "source-layer": "waterway", paint: { "line-color": water } });
  for (const name of ["buildings", "building"]) add({ type: "fill", "source-layer": name, minzoom: 14, paint: { "fill-color": colour("--line"), "fill-outline-color": road } });
  for (const name of ["roads", "transportation"]) add({ type: "line", "source-layer": name, layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": road, "line-opacity": 0.6, "line-width": widths(0.3, 9) } });
  for (const name of ["boundaries", "boundary"]) add({ type: "line", "source-layer": name, paint: { "line-color": road, "line-dasharray": [3, 3] } });
  const text = (key) => ({ type: "symbol", layout: { "text-field": ["coalesce", ["get", "name:sv"], ["get", "name"]], "text-size": key === "road" ? 11 : 13, ...(key === "road" ? { "symbol-placement": "line" } : {}) }, paint: { "text-color": colour("--ink"), "text-halo-color": land, "text-halo-width": 1.5 } });
  for (const name of ["transportation_name", "roads"]) add({ ...text("road"), "source-layer": name, minzoom: 14 });
  for (const name of ["places", "place"]) add({ ...text("place"), "source-layer": name });
  return found;
}

function style() {
  const made = {
    version: 8,
    sources: { world: { type: "geojson", data: told.urls.world } },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": colour("--map-water") } },
      { id: "land", type: "fill", source: "world", paint: { "fill-color": colour("--map-land") } },
      { id: "borders", type: "line", source: "world", maxzoom: 9, paint: { "line-color": colour("--line-strong"), "line-width": 0.6, "line-opacity": 0.6 } },
    ],
  };
  if (told.tiles.url) {
    const addresses = told.tiles.url.includes("{s}") ? ["a", "b", "c"].map((s) => told.tiles.url.replace("{s}", s)) : [told.tiles.url];
    made.sources.tiles = { type: "raster", tiles: addresses, tileSize: 256, maxzoom: 19, attribution: told.tiles.credit.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`) };
    made.layers.push({ id: "tiles", type: "raster", source: "tiles" });
  }
  if (told.urls.lines) {
    made.sources.lines = { type: "geojson", data: told.urls.lines };
    const kind = (name) => ["==", ["coalesce", ["get", "kind"], "street"], name];
    const width = (least, most) => ["interpolate", ["exponential", 1.6], ["zoom"], 10, least, 18, most];
    const line = (id, filter, paint) => made.layers.push({ id, type: "line", source: "lines", filter, layout: { "line-cap": "round", "line-join": "round" }, paint });
    line("rivers", kind("water"), { "line-color": colour("--map-water"), "line-width": width(1.5, 70) });
    line("street-edges", ["any", kind("street"), kind("main")], { "line-color": colour("--line-strong"), "line-opacity": 0.5, "line-width": width(0.9, 13.5) });
    line("streets", kind("street"), { "line-color": colour("--map-street"), "line-width": width(0.3, 11) });
    line("mains", kind("main"), { "line-color": colour("--map-main"), "line-width": width(1, 15) });
    line("pipes", kind("pipe"), { "line-color": colour("--map-alarm"), "line-width": width(0.6, 4) });
    made.layers.push({
      id: "street-names", type: "symbol", source: "lines", minzoom: 14, filter: ["has", "name"],
      layout: { "symbol-placement": "line", "text-field": ["get", "name"], "text-size": 12 },
      paint: { "text-color": colour("--ink"), "text-halo-color": colour("--map-street"), "text-halo-width": 1.6 },
    });
  }
  return made;
}

async function addAreas(map, maplibre) {
  if (!told.areas.length) return;
  await new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = told.urls.pmtiles;
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
  const protocol = new globalThis.pmtiles.Protocol();
  maplibre.addProtocol("pmtiles", protocol.tile);
  const above = map.getLayer("rivers") ? "rivers" : undefined;
  for (const area of told.areas) {
    const address = new URL(area.url, location.href).href;
    const source = `area-${area.name}`;
    if (!area.vector) {
      map.addSource(source, { type: "raster", url: `pmtiles://${address}`, tileSize: 256 });
      map.addLayer({ id: source, type: "raster", source }, above);
      continue;
    }
    const archive = new globalThis.pmtiles.PMTiles(address);
    protocol.add(archive);
    const about = await archive.getMetadata();
    map.addSource(source, { type: "vector", url: `pmtiles://${address}` });
    for (const layer of areaLayers(source, (about.vector_layers ?? []).map((one) => one.id))) map.addLayer(layer, above);
  }
}

function bounds(meters) {
  let [west, south, east, north] = [180, 90, -180, -90];
  const include = (x, y) => {
    west = Math.min(west, x); east = Math.max(east, x); south = Math.min(south, y); north = Math.max(north, y);
  };
  for (let n = 0; n < meters.count; n += 1) include(meters.places[2 * n], meters.places[2 * n + 1]);
  for (const one of told.collectors) include(...one.place);
  return west <= east ? [[west, south], [east, north]] : [[4, 54], [32, 71]]; // the Nordic countries
}

function addMeters(map, meters) {
  for (const look of [0, 1, 2, 4, 5, 6, "collector"]) map.addImage(`look-${look}`, shape(look), { pixelRatio: 2 });
  map.addSource("meters", { type: "geojson", data: asFeatures(meters), tolerance: 0, buffer: 32 });
  const selected = ["boolean", ["feature-state", "selected"], false];
  const fill = ["match", ["get", "look"], 0, colour("--map-read"), 1, colour("--map-missing"), 2, colour("--map-alarm"), colour("--map-foreign")];
  map.addLayer({
    id: "halos", type: "circle", source: "meters",
    paint: { "circle-radius": ["case", selected, 13, 0], "circle-color": colour("--accent"), "circle-opacity": 0.35 },
  });
  map.addLayer({
    id: "dots", type: "circle", source: "meters", maxzoom: CLOSE,
    paint: {
      "circle-color": fill, "circle-stroke-color": "#ffffff",
      "circle-radius": ["interpolate", ["linear"], ["zoom"], 4, 1.5, 9, 2.5, CLOSE, 5],
      "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 8, 0, CLOSE, 1],
    },
  });
  map.addLayer({
    id: "shapes", type: "symbol", source: "meters", minzoom: CLOSE,
    layout: {
      "icon-image": ["concat", "look-", ["to-string", ["get", "look"]]],
      "icon-allow-overlap": true, "icon-ignore-placement": true,
      "icon-size": ["interpolate", ["linear"], ["zoom"], CLOSE, 0.7, 17, 1.15],
      "symbol-sort-key": ["get", "look"],
    },
  });
}

function addCollectors(map) {
  map.addSource("hearing", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
  map.addLayer({ id: "hearing", type: "line", source: "hearing", paint: { "line-color": colour("--map-collector"), "line-width": 1, "line-opacity": 0.55 } }, "halos");
  map.addSource("collectors", {
    type: "geojson",
    data: { type: "FeatureCollection", features: told.collectors.map((one, n) => ({ type: "Feature", properties: { n, name: one.name }, geometry: { type: "Point", coordinates: one.place } })) },
  });
  map.addLayer({
    id: "collectors", type: "symbol", source: "collectors",
    layout: { "icon-image": "look-collector", "icon-size": 1.3, "icon-allow-overlap": true, "text-field": ["get", "name"], "text-size": 12, "text-anchor": "top", "text-offset": [0, 1], "text-optional": true },
    paint: { "text-color": colour("--map-collector"), "text-halo-color": colour("--surface"), "text-halo-width": 1.6 },
  });
}

async function words(ids) {
  const answer = await fetch(`${told.urls.listed}?ids=${ids.join(",")}`);
  return answer.ok ? answer.text() : "";
}

let balloon = null; // the one that is open

function closeBalloon() {
  balloon?.remove();
  balloon = null;
}

function openBalloon(map, maplibre, place, content) {
  closeBalloon();
  balloon = new maplibre.Popup({ maxWidth: "20rem" }).setLngLat(place);
  if (typeof content === "string") balloon.setHTML(content);
  else balloon.setDOMContent(content);
  return balloon.addTo(map);
}

document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeBalloon(); });

async function showMeters(map, maplibre, place, ids) {
  openBalloon(map, maplibre, place, await words(ids));
}

async function showCollector(map, maplibre, meters, index, number) {
  const collector = told.collectors[number];
  const answer = await fetch(collector.heard);
  if (!answer.ok) return;
  const heard = (await answer.json()).meters.filter((id) => index.has(id));
  const lines = heard.map((id) => {
    const n = index.get(id);
    return [collector.place, [meters.places[2 * n], meters.places[2 * n + 1]]];
  });
  map.getSource("hearing").setData({ type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: lines } });
  const box = document.createElement("div");
  box.append(told.words.hears.replace("{name}", collector.name).replace("{n}", numbers.format(heard.length)), document.createElement("br"));
  const link = document.createElement("a");
  link.href = collector.page;
  link.textContent = told.words.to_page;
  box.append(link);
  openBalloon(map, maplibre, collector.place, box).on("close", () => map.getSource("hearing").setData({ type: "FeatureCollection", features: [] }));
}

/** The meters in view in words, for those who can't see or point; only when they are few. */
function listInView(map, meters) {
  const list = document.getElementById("in-view");
  let latest = 0;
  async function renew() {
    const mine = (latest += 1), box = map.getBounds(), ids = [];
    let count = 0;
    for (let n = 0; n < meters.count; n += 1) {
      if (box.contains([meters.places[2 * n], meters.places[2 * n + 1]])) {
        count += 1;
        if (ids.length <= 30) ids.push(meters.ids[n]);
      }
    }
    frame.dataset.inView = count;
    if (!count) list.textContent = told.words.none;
    else if (count > 30) list.textContent = told.words.in_view.replace("{n}", numbers.format(count));
    else {
      const html = await words(ids);
      if (mine === latest) list.innerHTML = html;
    }
  }
  map.on("moveend", renew);
  renew();
}

function inside(x, y, line) {
  let within = false;
  for (let a = 0, b = line.length - 1; a < line.length; b = a, a += 1) {
    const [ax, ay] = line[a], [bx, by] = line[b];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

/** Draw round meters with the pointer; they are marked, counted and can be put into a group. */
function allowSelection(map, meters) {
  const button = document.getElementById("lasso"), form = document.getElementById("selection");
  if (!form) return;
  const drawn = document.querySelector("#lasso-line polyline"), chosen = new Set();
  let line = null;
  button.hidden = false;
  function renew() {
    form.hidden = !chosen.size;
    form.elements.ids.value = [...chosen].join(",");
    form.querySelector(".count").textContent = told.words.selected.replace("{n}", numbers.format(chosen.size));
  }
  function forget() {
    for (const id of chosen) map.setFeatureState({ source: "meters", id }, { selected: false });
    chosen.clear();
    renew();
  }
  function switchOn(on) {
    button.setAttribute("aria-pressed", String(on));
    if (on) closeBalloon();
    frame.closest(".map-frame").classList.toggle("lassoing", on);
    if (on) { map.dragPan.disable(); map.touchZoomRotate.disable(); } else { map.dragPan.enable(); map.touchZoomRotate.enable(); }
  }
  button.addEventListener("click", () => switchOn(button.getAttribute("aria-pressed") !== "true"));
  document.getElementById("forget").addEventListener("click", forget);
  form.elements.group.addEventListener("change", () => { form.elements.name.hidden = form.elements.group.value !== ""; });
  const at = (event) => {
    const box = frame.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const surface = map.getCanvasContainer();
  surface.addEventListener("pointerdown", (event) => {
    if (button.getAttribute("aria-pressed") !== "true") return;
    event.preventDefault();
    surface.setPointerCapture(event.pointerId);
    line = [at(event)];
  });
  surface.addEventListener("pointermove", (event) => {
    if (!line) return;
    line.push(at(event));
    drawn.setAttribute("points", line.map((point) => point.join(",")).join(" "));
  });
  surface.addEventListener("pointerup", () => {
    if (!line) return;
    for (let n = 0; n < meters.count; n += 1) {
      const { x, y } = map.project([meters.places[2 * n], meters.places[2 * n + 1]]);
      if (inside(x, y, line)) {
        chosen.add(meters.ids[n]);
        map.setFeatureState({ source: "meters", id: meters.ids[n] }, { selected: true });
      }
    }
    line = null;
    drawn.setAttribute("points", "");
    switchOn(false);
    renew();
  });
}

async function start() {
  const probe = document.createElement("canvas");
  if (!probe.getContext("webgl2")) throw new Error("no WebGL");
  const [maplibre, meters] = await Promise.all([import(told.urls.maplibre), fetchMeters()]);
  maplibre.setWorkerUrl(told.urls.worker);
  const map = new maplibre.Map({
    container: frame, style: style(), bounds: bounds(meters), fitBoundsOptions: { padding: 40, maxZoom: 16 },
    locale: told.locale, attributionControl: { compact: true }, dragRotate: false, pitchWithRotate: false, cancelPendingTileRequestsWhileZooming: true,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl({ unit: "metric" }), "bottom-right");
  await new Promise((done) => { map.once("load", done); });
  addMeters(map, meters);
  addCollectors(map);
  await addAreas(map, maplibre);
  const index = new Map();
  for (let n = 0; n < meters.count; n += 1) index.set(meters.ids[n], n);
  map.on("click", (event) => {
    if (frame.closest(".lassoing")) return;
    const near = [[event.point.x - 5, event.point.y - 5], [event.point.x + 5, event.point.y + 5]];
    const collector = map.queryRenderedFeatures(near, { layers: ["collectors"] })[0];
    if (collector) { showCollector(map, maplibre, meters, index, collector.properties.n); return; }
    const found = map.queryRenderedFeatures(near, { layers: ["dots", "shapes"] });
    const ids = [...new Set(found.map((one) => one.id))].slice(0, 10);
    if (ids.length) showMeters(map, maplibre, found[0].geometry.coordinates, ids);
  });
  for (const layer of ["dots", "shapes", "collectors"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
  }
  allowSelection(map, meters);
  listInView(map, meters);
  const wanted = index.get(Number(told.show));
  if (told.show && wanted !== undefined) {
    const place = [meters.places[2 * wanted], meters.places[2 * wanted + 1]];
    map.jumpTo({ center: place, zoom: 17 });
    await showMeters(map, maplibre, place, [Number(told.show)]);
  }
  map.once("idle", () => { frame.dataset.ready = "yes"; });
  map.triggerRepaint();
  frame.map = map; // for who wants to look closer in the browser's console
}

start().catch((problem) => {
  console.warn("map:", problem);
  trouble(told.words.without);
});
