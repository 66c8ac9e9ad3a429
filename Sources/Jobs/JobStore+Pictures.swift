import Foundation
import Media
import Models
import Support

/// The pictures that jobs start from: files of their jobs, there before a job is accepted, and for as long as it.
extension JobStore {
    /// Makes the pictures of a job durable.
    /// - Throws: `ServingError.storage`; then none of them stays.
    package func keep(_ files: [PictureFile], of job: String) async throws {
        guard !files.isEmpty else { return }
        let folder = pictures
        let contents = Dictionary(
            files.map { (OwnName.picture($0.digest, of: job), $0.bytes) }, uniquingKeysWith: { first, _ in first })
        let result: Result<Void, any Error> = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    returning: Result {
                        do {
                            for (name, bytes) in contents { try folder.write(bytes, as: name) }
                            _ = try folder.publish(Array(contents.keys))
                        } catch {
                            folder.removeAside(Array(contents.keys))
                            folder.remove(Array(contents.keys))
                            throw error
                        }
                    })
            }
        }
        try result.get()
    }

    /// Gives up the pictures of a job that was not accepted after all.
    package func letGo(_ files: [PictureFile], of job: String) {
        pictures.remove(files.map { OwnName.picture($0.digest, of: job) })
    }

    /// Returns the path of a picture of a job; retention may have removed the file.
    /// - Throws: `ServingError.unknownArtifact` for one that the job does not start from.
    package func picturePath(_ digest: String, of job: Job) throws -> String {
        guard job.request.pictureDigests.contains(digest) else { throw ServingError.unknownArtifact(digest) }
        return pictures.path(of: OwnName.picture(digest, of: job.id))
    }

    package func givenPictures(of job: Job) throws -> GivenPictures { try job.givenPictures(in: pictures) }

    /// Names of the pictures that lie there, by job.
    func pictureNames() throws -> [String: [String]] {
        Dictionary(
            grouping: try pictures.names().filter { OwnName.picture(OwnName.finished($0) ?? $0[...]) != nil },
            by: { OwnName.picture(OwnName.finished($0) ?? $0[...])?.job ?? "" })
    }
}

extension Job {
    /// The pictures that the job starts from, decoded.
    /// - Throws: `ServingError.storage` for a file that is gone or was changed.
    package func givenPictures(in folder: FileFolder) throws -> GivenPictures {
        try request.given { digest in
            let path = folder.path(of: OwnName.picture(digest, of: id))
            let operation = "reading \(path)"
            guard let data = FileManager.default.contents(atPath: path) else {
                throw ServingError.storage(operation: operation, reason: String(cString: strerror(errno)))
            }
            guard SHA256.hexadecimal(of: data) == digest else {
                throw ServingError.storage(operation: operation, reason: "the picture was changed after it was sent")
            }
            return try Picture.decode(Array(data))
        }
    }

    /// The name of the file of a picture that the job starts from.
    package func pictureName(_ digest: String) -> String { OwnName.picture(digest, of: id) }

    /// The names of the files of all of them.
    package var pictureNames: [String] { request.pictureDigests.map { OwnName.picture($0, of: id) } }
}
