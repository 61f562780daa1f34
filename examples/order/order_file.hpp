// Orders in a file, one JSON object a line.
#pragma once

#include "order.hpp"

#include <filesystem>
#include <vector>

// Reads and checks all of it before any order is placed.
// Errors: bad_input naming the file, the line and what is wrong there.
std::vector<order> read_orders(std::filesystem::path const& file);

// What is wrong with an order before the shop has been asked; empty if nothing is.
std::string wrong_with(order const& o);
