"""What flows between the stages: records, tables, the manifest, and the configuration."""
