"""The output format: one object that checks training answers, test references and model outputs alike."""
