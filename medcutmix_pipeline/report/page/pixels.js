// Maps and mixes in pixels. A page from a disk may not read the pixels of its pictures, but it may compose them: the
// mix is the host with the donor laid over it, as opaque as (1 − λ) · map says.

const HEAT = [[40, 11, 84], [122, 28, 109], [188, 55, 84], [237, 105, 37], [251, 180, 26], [252, 255, 164]];
const HEAT_SHARE = 0.55;

/** "h,w,base64" → {h, w, cells: Uint8Array}. */
function readMap(text) {
  const [h, w, packed] = text.split(",");
  const cells = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  return { h: Number(h), w: Number(w), cells };
}

/** For each pixel of one axis: the two cells that it lies between, and how far; centres at half integers. */
function between(pixels, cells) {
  return Array.from({ length: pixels }, (_, i) => {
    const at = Math.min(cells - 1, Math.max(0, ((i + 0.5) * cells) / pixels - 0.5));
    const low = Math.floor(at);
    return [low, Math.min(cells - 1, low + 1), at - low];
  });
}

/** A map on a grid of pixels, bilinear, scaled to peak 1: Float32Array of height · width. */
function onGrid(map, width, height) {
  const out = new Float32Array(width * height);
  const columns = between(width, map.w);
  let peak = 0;
  let i = 0;
  for (const [top, bottom, down] of between(height, map.h)) {
    const [upper, lower] = [top * map.w, bottom * map.w];
    for (const [left, right, across] of columns) {
      const above = map.cells[upper + left] * (1 - across) + map.cells[upper + right] * across;
      const below = map.cells[lower + left] * (1 - across) + map.cells[lower + right] * across;
      const value = above * (1 - down) + below * down;
      if (value > peak) peak = value;
      out[i++] = value;
    }
  }
  if (peak > 0) for (i = 0; i < out.length; i++) out[i] /= peak;
  return out;
}

function union(a, b) {
  return a.map((value, i) => Math.max(value, b[i]));
}

/** The colour of each of 256 strengths, from dark violet to light yellow: it reads in grey, too. */
const COLOURS = Array.from({ length: 256 }, (_, strength) => {
  const at = Math.min(HEAT.length - 1.0001, (strength / 255) * (HEAT.length - 1));
  const low = Math.floor(at);
  return HEAT[low].map((value, c) => value + (HEAT[low + 1][c] - value) * (at - low));
});

function layer(width, height, fill) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  fill(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Whether a pixel lies on the line round the region in which the map is at least half of its peak. */
function onEdge(strength, width, i) {
  if (strength[i] < 0.5) return false;
  const x = i % width;
  return (x > 0 && strength[i - 1] < 0.5) || (x < width - 1 && strength[i + 1] < 0.5)
    || strength[i - width] < 0.5 || strength[i + width] < 0.5;
}

/** Draw a picture, and a map over it in colours that grow lighter as it grows stronger. */
function drawHeat(canvas, picture, map) {
  const [width, height] = [picture.naturalWidth, picture.naturalHeight];
  Object.assign(canvas, { width, height });
  const strength = onGrid(map, width, height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const over = layer(width, height, (data) => {
    for (let i = 0; i < strength.length; i++) {
      const edge = onEdge(strength, width, i);
      data.set(COLOURS[edge ? 255 : Math.round(255 * strength[i])], 4 * i);
      data[4 * i + 3] = edge ? 255 : 255 * HEAT_SHARE * strength[i];
    }
  });
  context.drawImage(over, 0, 0);
}

/** Draw host + (1 − kept) · A · (donor − host); A is the donor's map, or with a host's map the larger of both. */
function drawMix(canvas, host, donor, kept, donorMap, hostMap) {
  const [width, height] = [host.naturalWidth, host.naturalHeight];
  Object.assign(canvas, { width, height });
  const lent = onGrid(donorMap, width, height);
  const strength = hostMap ? union(lent, onGrid(hostMap, width, height)) : lent;
  const over = layer(width, height, (data) => {
    for (let i = 0; i < strength.length; i++) data[4 * i + 3] = Math.round(255 * (1 - kept) * strength[i]);
  });
  const masked = over.getContext("2d");
  masked.globalCompositeOperation = "source-in";
  masked.drawImage(donor, 0, 0, width, height);
  const context = canvas.getContext("2d");
  context.drawImage(host, 0, 0);
  context.drawImage(over, 0, 0);
}
