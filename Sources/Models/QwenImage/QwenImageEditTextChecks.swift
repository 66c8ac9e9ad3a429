import Foundation
import Pictures
import PromptText
import Tensor
import Weights

/// Checks of Qwen-Image-Edit's tokenizer, vision tower and text encoder.
struct QwenImageEditTextChecks {
    private let folder: String
    let prompts: QwenImageEditPromptEncoder

    init(folder: String, compute: Compute) throws {
        self.folder = folder
        let reader = WeightReader(try Checkpoint(folder: "\(folder)/text_encoder"))
        let config = "\(folder)/text_encoder/config.json"
        let tower = try QwenVisionTower(reader, config: try QwenVisionConfig.read(config), compute: compute)
        prompts = try QwenImageEditPromptEncoder(
            tokenizer: try BytePairTokenizer(directory: URL(fileURLWithPath: "\(folder)/tokenizer")),
            encoder: try Qwen25Encoder(reader, config: try QwenConfig.read(config), compute: compute), tower: tower,
            processor: try QwenPictureProcessor.read(
                in: URL(fileURLWithPath: "\(folder)/processor"), for: tower.config)
                ?? QwenPictureProcessor(for: tower.config))
    }

    func run(_ check: GoldenCheck) throws -> [String: Computed] {
        switch check.name {
        case "tokenizer_ids": return try qwenTokenizerCheck(check, folder: folder) { prompts.ids(of: $0, rows: [1]) }
        case "vision_windows": return try windows(check)
        case "vision_rope": return try visionRope(check)
        case "vision_tower", "vision_tower_small": return try tower(check)
        case "text_encoder_positions":
            let positions = try QwenPicturePositions(
                ids: check.integers("input_ids"), token: prompts.mark, grids: grids(check))
            return ["position_ids": .integers((0..<3).flatMap { axis in positions.places.map { $0[axis] } })]
        case "text_encoder_rope": return try rope(check)
        case "text_encoder_hidden": return try hidden(check)
        case "prompt_embeds": return try embeddings(check)
        default: throw VerificationError.unknownCheck(check.name)
        }
    }

    // MARK: Vision

    /// Rows of `image_grid_thw`: frames, and rows and columns of patches.
    private func grids(_ check: GoldenCheck) throws -> [PatchGrid] {
        let values = try check.integers("image_grid_thw")
        return try stride(from: 0, to: values.count - 2, by: 3).map { start in
            let (rows, columns) = (values[start + 1], values[start + 2])
            guard values[start] == 1, rows > 0, columns > 0, rows % 2 == 0, columns % 2 == 0 else {
                throw VerificationError.badFixture("\(check.name): image_grid_thw is not of still pictures")
            }
            return PatchGrid(rows: rows, columns: columns)
        }
    }

    private func windows(_ check: GoldenCheck) throws -> [String: Computed] {
        let layout = QwenVisionLayout(try grids(check), side: prompts.tower.config.windowGroups)
        return [
            "window_index": .integers(layout.order),
            "cu_window_seqlens": .integers([0] + layout.windows.map(\.upperBound)),
        ]
    }

    /// The reference repeats the angles for both halves of a head.
    private func visionRope(_ check: GoldenCheck) throws -> [String: Computed] {
        let grids = try grids(check)
        let table = prompts.tower.rope(grids)
        return [
            "position_ids": .integers(grids.flatMap(\.places).flatMap { [$0.row, $0.column] }),
            "cos": .tensor(Tensor.beside(table.cosine, table.cosine)),
            "sin": .tensor(Tensor.beside(table.sine, table.sine)),
        ]
    }

    private func tower(_ check: GoldenCheck) throws -> [String: Computed] {
        var states: [Tensor] = []
        let rows = try prompts.tower.rows(
            of: check.input("pixel_values"), grids: grids(check), onHidden: { states.append($0) })
        var results: [String: Computed] = ["merged": .tensor(rows), "patches": .tensor(states[0])]
        for (index, state) in states.dropFirst().enumerated() { results["block\(index)"] = .tensor(state) }
        return results
    }

    // MARK: Text

    private func rope(_ check: GoldenCheck) throws -> [String: Computed] {
        let ids = try check.integers("position_ids")
        let count = ids.count / 3
        let places = (0..<count).map { token in (0..<3).map { ids[$0 * count + token] } }
        let table = prompts.encoder.config.rope(places: places)
        return [
            "cos": .tensor(Tensor.beside(table.cosine, table.cosine)),
            "sin": .tensor(Tensor.beside(table.sine, table.sine)),
        ]
    }

    private func hidden(_ check: GoldenCheck) throws -> [String: Computed] {
        let grids = try grids(check)
        let rows = try prompts.tower.rows(of: check.input("pixel_values"), grids: grids)
        let states = try hiddenStates(check) { ids, onHidden in
            _ = try prompts.encoder.encode(
                ids, pictures: QwenPictureRows(token: prompts.mark, rows: rows, grids: grids), onHidden: onHidden)
        }
        return Dictionary(uniqueKeysWithValues: states.enumerated().map { ("hidden_states.\($0)", .tensor($1)) })
    }

    private func embeddings(_ check: GoldenCheck) throws -> [String: Computed] {
        var prompts = prompts
        prompts.area = try check.parameter("condition_area")
        let pictures = try check.pictures("images")
        guard pictures.count == 3 else {
            throw VerificationError.badFixture("\(check.name): \(pictures.count) pictures, expected 3")
        }
        func rows(_ text: String, _ pictures: [RGBImage]) throws -> Computed {
            .tensor(try prompts.rows(of: text, seeing: pictures))
        }
        let both = Array(pictures[..<2])
        return [
            "e2e_prompt_embeds": try rows(check.parameter("e2e_prompt"), both),
            "e2e_negative_prompt_embeds": try rows(check.parameter("e2e_negative_prompt"), both),
            "one_picture": try rows("make it blue", [pictures[2]]), "three_pictures": try rows("", pictures),
        ]
    }
}
