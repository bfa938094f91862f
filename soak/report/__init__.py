"""Reports: one computed model (`compute`), one renderer per format; a renderer neither opens the store nor computes.

The model is the report.json of the contract with more keys beside it, described by `report.schema.json`.
"""
