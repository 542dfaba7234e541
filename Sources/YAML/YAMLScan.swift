/// A look at the text before libyaml gets it, for what costs more than it weighs.
enum YAMLScan {
    /// - Throws: where there are more nodes than a manifest has, or a key that is an alias or a
    ///   collection in a document with aliases: comparing those can take for ever.
    static func check(_ bytes: [UInt8], _ limits: YAMLLimits) throws(YAMLError) {
        var marks = 0
        var hasAlias = false
        var hasRichKey = false
        var previous = UInt8(ascii: "\n")
        // Of the last token: whether it was an alias, and whether a bracket ended it.
        var isInAlias = false
        var mayEndKey = false
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "-"),
                UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "?"):
                marks += 1
            default: break
            }
            let startsToken = isSeparator(previous)
            if byte == UInt8(ascii: "*"), startsToken {
                hasAlias = true
                isInAlias = true
            } else if isSeparator(byte) && byte != UInt8(ascii: ":") {
                if isInAlias { mayEndKey = true }
                isInAlias = false
            }
            if byte == UInt8(ascii: "?"), startsToken { hasRichKey = true }
            switch byte {
            case UInt8(ascii: "]"), UInt8(ascii: "}"): mayEndKey = true
            case UInt8(ascii: ":"):
                if mayEndKey || isInAlias { hasRichKey = true }
                mayEndKey = false
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"): break
            default: mayEndKey = false
            }
            previous = byte
        }
        guard marks <= limits.marks else {
            throw YAMLError(
                reason: "it has more than \(limits.marks) lines, commas, colons and brackets: send "
                    + "it as JSON")
        }
        guard !(hasAlias && hasRichKey) else {
            throw YAMLError(
                reason: "with aliases in the document, keys are plain texts: none is an alias or a "
                    + "collection")
        }
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: " "), UInt8(ascii: "\t"),
            UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: ":"):
            true
        default: false
        }
    }
}
