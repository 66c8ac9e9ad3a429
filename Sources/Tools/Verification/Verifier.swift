import Media
import Models
import Tensor
import Weights

/// Runs every check of a fixture folder and holds the results against the references.
package struct Verifier {
    private let folder: FixtureFolder
    private let compute: Compute

    /// - Throws: `VerificationError.badFixture` or `WeightError`.
    package init(folder: String, compute: Compute) throws {
        self.folder = try FixtureFolder(path: folder) { try PNG.decode(path: $0) }
        self.compute = compute
    }

    package var checkCount: Int { folder.checks.count }

    /// One row for each reference tensor. A check that is not known here, or that throws, is a failed row.
    package func run(onRow: (Comparison) -> Void = { _ in }) -> [Comparison] {
        var rows: [Comparison] = []
        func add(_ row: Comparison) {
            rows.append(row)
            onRow(row)
        }
        let family = Families.checks(named: folder.family, folder: folder.path, compute: compute)
        for check in folder.checks {
            do {
                guard let family else { throw VerificationError.unknownCheck(check.name) }
                var extra: [Comparison] = []
                let computed =
                    check.component == "e2e"
                    ? try EndToEndRun(folder: folder.path, compute: compute).run(
                        check, family.endToEnd(check), extra: &extra)
                    : try family.run(check, extra: &extra)
                extra.forEach(add)
                for (name, reference) in check.outputs.sorted(by: { $0.key < $1.key }) {
                    switch computed[name] {
                    case .tensor(let value): add(.compare(value, with: reference, in: check, as: name))
                    case .integers(let value): add(.compare(value, with: reference, in: check, as: name))
                    case nil: add(Comparison(check, name, error: nil, passed: false, note: "not computed"))
                    }
                }
            } catch {
                add(Comparison(check, "", error: nil, passed: false, note: "\(error)"))
            }
        }
        return rows
    }
}
