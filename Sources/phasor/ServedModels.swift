import ArgumentParser
import Foundation
import Pipelines
import Tensor
import Weights

/// The models of one server. They share the memory budget, so the weights of a model that nobody asks for cost nothing
/// but their mapping.
extension ModelOptions {
    /// - Parameters:
    ///   - folders: models by their folders, or by their names on the hub, from where they are brought; the first is the default. None: the embedded model, unless `directory` has any.
    ///   - directory: a folder whose folders are models; those that do not open are told to `onFault` and left out.
    ///   - memory, load, loras: as settled by `Serve`, which has a settings file besides.
    /// - Throws: `ValidationError`, or what opening a named model throws.
    func openModels(
        _ folders: [String], in directory: String?, memory: String?, load: WeightLoading?, loras: String?,
        onFault: (String) -> Void
    ) throws -> [Pipeline] {
        let found = try directory.map(Self.models) ?? []
        let isAlone = folders.count + found.count <= 1
        if let option = partOptions.first, !isAlone {
            throw ValidationError("\(option) names a part of one model; give one model with it")
        }
        let compute = makeCompute()
        let residency = try residency(memory: memory, load: load)
        func open(_ folder: String?) throws -> Pipeline {
            var files = try files(folder, pulling: true)
            files.loras = loras ?? files.loras
            return try self.open(files, compute: compute, residency: residency)
        }
        var models = try folders.map { try open($0) }
        for folder in found {
            do {
                models.append(try open(folder))
            } catch {
                onFault("\(folder) is not served: \(error)")
            }
        }
        if models.isEmpty {
            guard directory == nil else { throw ValidationError("--models \(directory ?? ""): no model in it opens") }
            models = [try open(nil)]
        }
        let twice = Dictionary(grouping: models, by: \.id).first { $0.value.count > 1 }
        if let twice {
            throw ValidationError(
                "two models are called \(twice.key) (\(twice.value.map(\.source).joined(separator: ", "))); "
                    + "requests choose by the folder's name, so rename one")
        }
        return models
    }

    /// The folders in a folder that hold a model, by name.
    private static func models(in directory: String) throws -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
            throw ValidationError("--models \(directory): the folder cannot be read")
        }
        return names.sorted().map { "\(directory)/\($0)" }.filter(ModelFiles.isModel)
    }
}
