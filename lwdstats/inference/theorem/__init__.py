"""Does a simulated network keep to Appendix A?"""
