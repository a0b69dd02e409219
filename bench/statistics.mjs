// The few numbers that a bench needs.

export function median(values) {
  return quantile(values, 0.5)
}

/** Linear between the neighbours, as in most spreadsheets; NaN of nothing. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return sorted.length === 0 ? NaN : low + (high - low) * (place - Math.floor(place))
}
