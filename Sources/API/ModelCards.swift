import Foundation
import HTTP
import Pipelines
import Support

/// What models tell of themselves, for the page: `card/card.json` in a model's folder (about, words, scenes, samples), and the
/// pictures and clips beside it. A browser shows the samples by their address, without a key; nothing of a model's weights
/// is served.
struct ModelCards: Sendable {
    /// The folder of each model that has a card, by the model's id.
    private let folders: [String: String]

    static let template = "/cards/{id}/{name}"

    /// The endings of what a card holds. Pages and scripts of a model's folder are never served.
    private static let endings: Set = ["json", "png", "jpg", "jpeg", "webp", "gif", "mp4"]

    init(_ models: [Pipeline]) {
        folders = models.reduce(into: [:]) { folders, model in
            let folder = "\(model.source)/card"
            if FileManager.default.fileExists(atPath: "\(folder)/card.json") { folders[model.id] = folder }
        }
    }

    func register(in router: inout Router) {
        router.add("GET", Self.template) { request in
            let name = request.parameters["name"] ?? ""
            guard let folder = folders[request.parameters["id"] ?? ""],
                Self.endings.contains((name as NSString).pathExtension.lowercased())
            else { throw HTTPError.notFound(path: request.target.rawPath) }
            return try StaticFiles(root: folder, headers: Page.headers).response(to: request, named: [name])
        }
    }

    /// Where the page finds a model's card, relative to the page; nil for a model without one.
    func address(of model: Pipeline) -> String? {
        guard folders[model.id] != nil else { return nil }
        return "cards/\(PercentEncoding.text(model.id))/"
    }
}
