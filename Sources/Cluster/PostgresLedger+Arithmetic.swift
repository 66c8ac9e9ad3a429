import PostgreSQL

/// What the phases of a model's jobs are computed with. A job whose phases were computed with two arithmetics would have the
/// bytes of neither, and a run begins anew where it finds latents of another; so all workers of a model have one.
extension PostgresLedger {
    /// Says what this process computes a model with, before it claims any job. Whoever says it first says it for all.
    /// - Throws: `ClusterFault.otherArithmetic`; `ServingError.storage`.
    package func agree(on own: String, for model: String) throws {
        let rows = try run("agreeing on an arithmetic") { [schema] db in
            try db.execute(
                "INSERT INTO \(schema).arithmetic (model, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                [.text(model), .text(own)])
            return try db.execute("SELECT value FROM \(schema).arithmetic WHERE model = $1", [.text(model)])
        }
        let agreed = rows.first?.text("value") ?? own
        guard agreed == own else { throw ClusterFault.otherArithmetic(model: model, agreed: agreed, own: own) }
    }

    /// What each model is computed with, as far as a worker has said it.
    package func arithmetics() throws -> [String: String] {
        let rows = try run("reading the arithmetics") { [schema] db in
            try db.execute("SELECT model, value FROM \(schema).arithmetic")
        }
        return rows.reduce(into: [:]) { all, row in
            if let model = row.text("model"), let value = row.text("value") { all[model] = value }
        }
    }

    /// Lets the next worker that starts say what the models are computed with. Jobs under way begin anew where it has another.
    package func forgetArithmetics() throws {
        _ = try run("forgetting the arithmetics") { [schema] db in try db.execute("DELETE FROM \(schema).arithmetic") }
    }
}
