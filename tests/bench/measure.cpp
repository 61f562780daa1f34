#include "tests/bench/measure.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/resource.h>

namespace bench {

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double cpu_seconds()
{
    rusage u{};
    ::getrusage(RUSAGE_SELF, &u);
    auto const s = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
    return s(u.ru_utime) + s(u.ru_stime);
}

static std::uint64_t status_field(std::string const& wanted)
{
    std::ifstream status("/proc/self/status");
    std::string   key;
    while (status >> key)
    {
        if (key == wanted)
        {
            std::uint64_t kib = 0;
            status >> kib;
            return kib * 1024;
        }
        status.ignore(4096, '\n');
    }
    return 0;
}

std::uint64_t resident_bytes() { return status_field("VmRSS:"); }

std::uint64_t peak_resident_bytes() { return status_field("VmHWM:"); }

double percentile(std::vector<double>& values, double p)
{
    if (values.empty())
        return 0;
    auto const at = std::min(values.size() - 1, static_cast<std::size_t>(p * static_cast<double>(values.size())));
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
    return values[at];
}

double median(std::vector<double> values) { return percentile(values, 0.5); }

scratch::scratch(std::string const& under)
{
    auto pattern = under + "/weft_bench_XXXXXX";
    if (!::mkdtemp(pattern.data()))
        throw std::runtime_error("no scratch directory can be made under " + under);
    path_ = pattern;
}

scratch::~scratch()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace bench
