import ArgumentParser
import Foundation
import Pipelines
import Tensor

/// Where models and pages are found when no path is given: beside the checkout, then where a package installs them.
enum Installation {
    static let modelName = "emoji-scenes"

    /// Folders that may hold `Models/` and `public/`, in the order they are tried.
    private static var roots: [String] {
        let executable = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        let current = FileManager.default.currentDirectoryPath
        // .build/<triple>/release/phasor lies four levels below the checkout, an installed bin/phasor two.
        let near = (1...4).map { levels in
            (0..<levels).reduce(executable) { url, _ in url.deletingLastPathComponent() }.path
        }
        return [current] + near.reversed() + ["/usr/share/phasor", "/usr/local/share/phasor", "/opt/phasor"]
    }

    static func find(_ path: String) -> String? {
        roots.map { "\($0)/\(path)" }.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// The folder of the model to open.
    /// - Throws: `ValidationError` if none was given and the embedded one is not there.
    static func model(_ given: String?) throws -> String {
        if let given { return given }
        guard let embedded = find("Models/\(modelName)") else {
            throw ValidationError("no model was given and Models/\(modelName) was not found near the executable")
        }
        return embedded
    }
}

extension ModelOptions {
    func makeCompute() -> Compute {
        Compute(threads: threading.count, precision: precision)
    }

    func openPipeline(_ folder: String?, compute: Compute) throws -> Pipeline {
        try Pipeline(
            folder: Installation.model(folder), compute: compute,
            adapters: adapters.map {
                Pipeline.AdapterFile(expert: $0.expert, path: $0.path, strength: $0.strength)
            })
    }
}
