// The headers that cost most in every suite. Outside libraries only: a weft header here would rebuild everything at each
// change of it, and would hide what a test forgot to include.
#include <boost/asio.hpp>
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
