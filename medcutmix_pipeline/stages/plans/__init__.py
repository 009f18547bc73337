"""Plans: mixed reports that pass the checks, joined with what the encoder saw."""
