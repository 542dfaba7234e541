internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems

/// Reads what `POST /v1/apply` and the watched folder take.
struct ManifestDocument {
    let node: Node
    /// Where `object.path` points into; nil: paths are not allowed.
    let objectsDirectory: String?

    /// - Parameter owner: of a document that names none.
    /// - Throws: `unknown_member`, `invalid_member`, with a pointer into the document.
    func manifest(_ document: JSONObject, owner: String?) throws(Problem) -> Manifest {
        let fields = try Fields(document, known: ["owner", "programs", "probes", "maps", "prune"])
        let named = try fields.string("owner")
        guard let owner = named ?? owner else { throw fields.missing("owner") }
        var manifest = Manifest(
            owner: owner, programs: [], probes: [], maps: [],
            prunes: try fields.bool("prune") ?? false)
        let programs = try fields.objects("programs", limit: Manifest.programLimit)
        for (object, pointer) in programs {
            manifest.programs.append(
                try at(pointer) { () throws(Problem) in try program(object) })
        }
        for (object, pointer) in try fields.objects("probes", limit: Manifest.probeLimit) {
            manifest.probes.append(try at(pointer) { () throws(Problem) in try probe(object) })
        }
        var entries = 0
        for (object, pointer) in try fields.objects("maps", limit: Manifest.mapLimit) {
            let contents = try at(pointer) { () throws(Problem) in try self.contents(object) }
            entries += contents.entries.count
            guard entries <= Manifest.entryLimit else {
                throw Problem(
                    .invalidMember,
                    "The manifest has more than \(Manifest.entryLimit) entries of maps.",
                    pointer: pointer.appending("entries").description)
            }
            manifest.maps.append(contents)
        }
        return manifest
    }

    /// Readers of a part point into the part; the client wants a pointer into the whole.
    private func at<R>(_ pointer: JSONPointer, _ read: () throws(Problem) -> R) throws(Problem)
        -> R
    {
        do throws(Problem) { return try read() } catch {
            var problem = error
            problem.pointer = pointer.description + (error.pointer ?? "")
            throw problem
        }
    }

    private func program(_ document: JSONObject) throws(Problem) -> Manifest.Program {
        var options = document
        guard let name = try document.text("name") else {
            throw Problem(.invalidMember, "The member \"name\" is missing.", pointer: "/name")
        }
        options["name"] = nil
        let (object, read) = try ProgramRequest.read(options, node, .some(objectsDirectory))
        return Manifest.Program(name: name, object: object, options: read)
    }

    private func probe(_ document: JSONObject) throws(Problem) -> ProbeChange {
        var rest = document
        rest["id"] = nil
        var change = try probeChange(
            rest, id: try document.text("id"), conditions: Conditions(), isDryRun: false)
        change.id = change.id ?? change.program + "." + change.function
        return change
    }

    private func contents(_ document: JSONObject) throws(Problem) -> Manifest.Contents {
        let fields = try Fields(document, known: ["map", "entries", "exact"])
        let name = try fields.requiredString("map")
        guard let slash = name.firstIndex(of: "/") else {
            throw Problem(
                .invalidMember, "A map is named by \"program/map\".", pointer: "/map")
        }
        return Manifest.Contents(
            program: String(name[..<slash]), map: String(name[name.index(after: slash)...]),
            entries: try fields.objects("entries", limit: Manifest.entryLimit).map(\.object),
            isExact: try fields.bool("exact") ?? false)
    }
}

extension JSONObject {
    /// A text that stands beside members that somebody else reads.
    fileprivate func text(_ name: String) throws(Problem) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else {
            throw Problem(.invalidMember, "\(name) must be a string.", pointer: "/\(name)")
        }
        return text
    }
}

extension Fields {
    /// The objects of an array, each with its place; none where the member is not there.
    func objects(_ name: String, limit: Int) throws(Problem)
        -> [(object: JSONObject, pointer: JSONPointer)]
    {
        let place = pointer.appending(name)
        guard let value = object[name] else { return [] }
        guard let array = value.array else {
            throw Problem(
                .invalidMember, "\(name) must be an array of objects.", pointer: place.description)
        }
        guard array.count <= limit else {
            throw Problem(
                .invalidMember, "There are \(array.count) \(name), \(limit) are allowed.",
                pointer: place.description)
        }
        var objects: [(object: JSONObject, pointer: JSONPointer)] = []
        for (index, element) in array.enumerated() {
            guard let object = element.object else {
                throw Problem(
                    .invalidMember, "Each of \(name) is an object, this is a \(element.typeName).",
                    pointer: place.appending(index).description)
            }
            objects.append((object, place.appending(index)))
        }
        return objects
    }
}
