import JSON
import TestSupport
import Testing

/// The validator must find what is wrong, or every contract test passes for nothing.
struct SchemaValidatorTests {
    static let root: JSONValue = [
        "components": [
            "schemas": [
                "Name": ["type": "string", "pattern": "^[a-z]+$"],
                "Count": ["anyOf": [["type": "integer", "minimum": 0], ["type": "string"]]],
                "Thing": [
                    "type": "object", "additionalProperties": false, "required": ["name"],
                    "properties": [
                        "name": ["$ref": "#/components/schemas/Name"],
                        "count": ["$ref": "#/components/schemas/Count"],
                        "nothing": ["type": ["string", "null"]],
                        "list": ["type": "array", "items": ["enum": [1, 2]], "maxItems": 2],
                        "map": ["type": "object", "additionalProperties": ["type": "boolean"]],
                    ],
                ],
            ]
        ]
    ]

    private func violations(_ json: String, _ schema: JSONValue) throws -> [String] {
        SchemaValidator(root: Self.root).violations(of: try .parse(json), against: schema)
            .map(\.description)
    }

    private let thing: JSONValue = ["$ref": "#/components/schemas/Thing"]

    @Test(arguments: [
        #"{"name":"a"}"#,
        #"{"name":"a","count":18446744073709551615,"nothing":null,"list":[1,2],"map":{"x":true}}"#,
        #"{"name":"a","count":"9007199254740993"}"#,
    ])
    func `a document that fits has no violations`(json: String) throws {
        #expect(try violations(json, thing) == [])
    }

    @Test(arguments: [
        (#"[]"#, "not object"),
        (#"{}"#, "lacks name"),
        (#"{"name":"A"}"#, "does not match"),
        (#"{"name":7}"#, "not string"),
        (#"{"name":"a","mane":1}"#, "undeclared member mane"),
        (#"{"name":"a","count":-1}"#, "minimum is 0"),
        (#"{"name":"a","count":1.5}"#, "not integer"),
        (#"{"name":"a","count":null}"#, "/count"),
        (#"{"name":"a","nothing":1}"#, "not string or null"),
        (#"{"name":"a","list":[3]}"#, "/list/0"),
        (#"{"name":"a","list":[1,1,1]}"#, "3 elements"),
        (#"{"name":"a","map":{"x":1}}"#, "/map/x"),
    ])
    func `each kind of misfit is found, with its place`(json: String, said: String) throws {
        let found = try violations(json, thing)
        #expect(found.contains { $0.contains(said) }, "\(found)")
    }

    @Test func `oneOf wants exactly one`() throws {
        let schema: JSONValue = ["oneOf": [["type": "integer"], ["const": 1], ["type": "string"]]]
        #expect(try violations("2", schema) == [])
        #expect(try violations("1", schema).count == 1)
        #expect(try violations("null", schema).count == 1)
    }

    @Test func `limits beyond 2^53 are compared exactly`() throws {
        let schema: JSONValue = ["maximum": .number(JSONNumber(text: "18446744073709551615"))]
        #expect(try violations("18446744073709551615", schema) == [])
        #expect(try violations("18446744073709551616", schema).count == 1)
    }

    @Test func `an unknown keyword and a dangling reference are violations`() throws {
        #expect(try violations("1", ["minimun": 3]).count == 1)
        #expect(try violations("1", ["$ref": "#/components/schemas/Nothing"]).count == 1)
    }

    @Test func `a part of a document is found in it, and what is missing is named`() throws {
        let whole = try JSONValue.parse(#"{"a":{"b":[{"c":1,"d":2},3]},"e":null}"#)
        #expect(whole.lacks(try .parse(#"{"a":{"b":[{"c":1},3]}}"#)).isEmpty)
        #expect(whole.lacks(try .parse(#"{"a":{"b":[{"c":2},3]}}"#)).count == 1)
        #expect(whole.lacks(try .parse(#"{"a":{"b":[{"c":1}]}}"#)).count == 1)
        #expect(whole.lacks(try .parse(#"{"f":1}"#)).map(\.pointer.description) == ["/f"])
    }
}
