public import JSON

extension LoadReport {
    /// The document that the registry keeps. Members that are `nil` are left out.
    public var json: JSONValue {
        [
            "license": .string(license),
            "functions": .array(functions.map(\.json)),
            "maps": .array(maps.map(\.json)),
            "globals": .array(globals.map(\.json)),
            "event_types": .array(eventTypes.map(\.json)),
            "libbpf_version": .string(libbpfVersion),
        ]
    }

    /// `nil` where the document is not a report. Members that are not known are passed over, so
    /// that an older daemon reads a newer one's registry.
    public init?(json: JSONValue) {
        guard let license = json["license"]?.string,
            let functions = json["functions"]?.list(of: Function.init(json:)),
            let maps = json["maps"]?.list(of: Map.init(json:)),
            let globals = json["globals"]?.list(of: Global.init(json:)),
            let eventTypes = json["event_types"]?.list(of: EventType.init(json:)),
            let libbpfVersion = json["libbpf_version"]?.string
        else { return nil }
        self.init(
            license: license, functions: functions, maps: maps, globals: globals,
            eventTypes: eventTypes, libbpfVersion: libbpfVersion)
    }
}

extension LoadReport.Function {
    var json: JSONValue {
        var object = JSONObject()
        object["name"] = .string(name)
        object["section"] = .string(section)
        object["type"] = .string(type)
        object["expected_attach_type"] = JSONValue(expectedAttachType)
        object["target"] = target.map { .string($0) }
        object["sleepable"] = .bool(isSleepable)
        object["instructions"] = JSONValue(instructions)
        object["pin"] = pin.map { .string($0) }
        object["verifier_log"] = verifierLog.map { .string($0) }
        return .object(object)
    }

    init?(json: JSONValue) {
        guard let name = json["name"]?.string, let section = json["section"]?.string,
            let type = json["type"]?.string,
            let attachType = json["expected_attach_type"]?.uint64.flatMap(UInt32.init(exactly:)),
            let isSleepable = json["sleepable"]?.bool,
            let instructions = json["instructions"]?.int
        else { return nil }
        self.init(
            name: name, section: section, type: type, expectedAttachType: attachType,
            target: json["target"]?.string, isSleepable: isSleepable, instructions: instructions,
            pin: json["pin"]?.string, verifierLog: json["verifier_log"]?.string)
    }
}

extension LoadReport.Map {
    var json: JSONValue {
        var object = JSONObject()
        object["name"] = .string(name)
        object["type"] = JSONValue(type)
        object["pin"] = pin.map { .string($0) }
        object["internal"] = .bool(isInternal)
        for (name, number) in [("flags", flags), ("key_type", keyType), ("value_type", valueType)]
        where number != 0 {
            object[name] = JSONValue(number)
        }
        object["structure"] = structure?.json
        return .object(object)
    }

    init?(json: JSONValue) {
        guard let name = json["name"]?.string,
            let type = json["type"]?.uint64.flatMap(UInt32.init(exactly:)),
            let isInternal = json["internal"]?.bool
        else { return nil }
        let numbers = ["flags", "key_type", "value_type"].map { name in
            json[name]?.uint64.flatMap(UInt32.init(exactly:)) ?? 0
        }
        self.init(
            name: name, type: type, pin: json["pin"]?.string, isInternal: isInternal,
            flags: numbers[0], keyType: numbers[1], valueType: numbers[2],
            structure: json["structure"].flatMap(LoadReport.Structure.init(json:)))
    }
}

extension LoadReport.Global {
    var json: JSONValue {
        [
            "name": .string(name), "section": .string(section), "type": .string(type),
            "offset": JSONValue(offset), "size": JSONValue(size),
        ]
    }

    init?(json: JSONValue) {
        guard let name = json["name"]?.string, let section = json["section"]?.string,
            let type = json["type"]?.string, let offset = json["offset"]?.int,
            let size = json["size"]?.int
        else { return nil }
        self.init(name: name, section: section, type: type, offset: offset, size: size)
    }
}

extension LoadReport.EventType {
    var json: JSONValue {
        var document = JSONObject()
        document["map"] = .string(map)
        document["type"] = .string(type)
        document["source"] = .string(source.rawValue)
        document["tag"] = tag.map { .string($0) }
        document["tag_member"] = tagMember.map { .string($0) }
        return .object(document)
    }

    init?(json: JSONValue) {
        guard let map = json["map"]?.string, let type = json["type"]?.string,
            let source = json["source"]?.string.flatMap(Source.init)
        else { return nil }
        self.init(
            map: map, type: type, source: source, tag: json["tag"]?.string,
            tagMember: json["tag_member"]?.string)
    }
}

extension JSONValue {
    /// The elements of an array of which each is understood.
    func list<T>(of decode: (JSONValue) -> T?) -> [T]? {
        guard let array else { return nil }
        let values = array.compactMap(decode)
        return values.count == array.count ? values : nil
    }
}
