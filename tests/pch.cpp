// Gives the precompiled header (pch.hpp) a target to belong to.
