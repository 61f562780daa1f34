// What the benchmarks count: time, processor, heap, memory, and latencies.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

double        seconds_now();  // monotonic
double        cpu_seconds();  // of this process, all threads
std::uint64_t allocations();  // calls of operator new so far
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();

double percentile(std::vector<double>& sorted_in_place, double p);
double median(std::vector<double> values);

// A directory of its own, removed at the end.
class scratch
{
public:
    explicit scratch(std::string const& under);
    ~scratch();
    scratch(scratch const&) = delete;
    std::string file(std::string const& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

}  // namespace bench
