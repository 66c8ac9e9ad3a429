import Foundation
import Jobs
import Logging
import Pipelines

/// The thread on which everything is computed.
package enum ComputeThread {
    /// Computes what comes into the queue until the queue is drained or stopped.
    package static func start(
        models: [Pipeline], store: any WorkStore, queue: JobQueue, metrics: Metrics, options: EngineOptions,
        logger: Logger
    ) {
        let workshop = Workshop(
            store: store, queue: queue, metrics: metrics, retry: StorageRetry(queue: queue, logger: logger),
            logger: logger, generator: options.generator)
        let thread = Thread {
            Worker(models: models, workshop: workshop, options: options, logger: logger).run()
        }
        thread.name = "phasor.compute"
        // Networks run deep in frames of C kernels; the 512 KB of a secondary thread would be a guess.
        thread.stackSize = 16 << 20
        thread.start()
    }
}
