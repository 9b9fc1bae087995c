"""The nouns of the house: pure values, standard library only.

Import them from their own rooms: ``from alerting.model.delivery import State``.
"""
