internal import HTTP
internal import Loading

extension Configuration {
    var logFormat: LogFormat { LogFormat(rawValue: text("log_format")) ?? .logfmt }

    var serverLimits: ServerLimits {
        var limits = ServerLimits()
        limits.connections = integer("max_connections")
        limits.connectionsPerAddress = integer("max_connections_per_address")
        limits.headerSeconds = integer("head_timeout_s")
        limits.bodySeconds = integer("body_timeout_s")
        limits.bodyMinimumBytesPerSecond = integer("body_min_bytes_per_s")
        limits.idleSeconds = integer("idle_timeout_s")
        limits.writeStallSeconds = integer("slow_consumer_s")
        limits.workers = integer("workers")
        limits.loadWorkers = integer("loads_at_once")
        return limits
    }

    var loaderLimits: LoaderLimits {
        var limits = LoaderLimits()
        limits.deadlineMilliseconds = integer("loader_deadline_ms")
        limits.cpuSeconds = integer("loader_cpu_s")
        limits.addressSpaceBytes = integer("loader_memory_bytes")
        return limits
    }
}
