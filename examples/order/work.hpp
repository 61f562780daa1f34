// `order work`: an engine and nothing else. It runs what others have placed, and what dead ones have left.
#pragma once

#include "shop.hpp"

// Until SIGTERM or SIGINT. Returns the program's exit status.
int work(weft::store& transactions, shop& our);
