export { statisticsHandler, type StatisticsHandler, type StatisticsHandlerOptions } from './handler'
export { observe, type MeterLike, type ObserveOptions } from './open-telemetry'
export { prometheusText, type MeasuredPool } from './prometheus'
export { statisticsReport, type StatisticsReport } from './statistics'
