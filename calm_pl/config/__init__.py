"""From YAML and `key=value` to one checked configuration: sections, rules, composing. Floor 3."""
