"""Control charts: is a network leaving the state that it was in?"""
