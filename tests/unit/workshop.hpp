// What the unit tests share: operations that note when they are called, and a way to change a workflow's code under its feet.
#pragma once

#include <weft/testing/environment.hpp>
#include <weft/workflow.hpp>

#include <boost/describe.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace workshop {

using namespace std::chrono_literals;

// A participant that fails so and so often before it succeeds, and notes when it was called.
struct flaky
{
    weft::testing::environment* env = nullptr;
    int                         errors = 0;
    std::vector<std::int64_t>   at_ms;

    std::vector<std::int64_t> gaps() const
    {
        std::vector<std::int64_t> g;
        for (std::size_t i = 1; i < at_ms.size(); ++i)
            g.push_back(at_ms[i] - at_ms[i - 1]);
        return g;
    }
    void note() { at_ms.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(env->clock().since_boot()).count()); }
};

inline int ask(flaky& f)
{
    f.note();
    if (f.errors-- > 0)
        throw std::runtime_error("down");
    return 7;
}

// An operation that the test answers: its calls pile up here. From any thread.
class left_to_the_test
{
public:
    using weft_operation = void;
    template <class...>
    using result = void;

    void start(weft::operation_call call) const
    {
        std::lock_guard lock(calls_->mutex);
        calls_->waiting.push_back(std::move(call));
    }
    std::size_t waiting() const
    {
        std::lock_guard lock(calls_->mutex);
        return calls_->waiting.size();
    }
    weft::operation_call take() const
    {
        std::lock_guard lock(calls_->mutex);
        auto            call = std::move(calls_->waiting.front());
        calls_->waiting.pop_front();
        return call;
    }

private:
    struct calls
    {
        std::mutex                       mutex;
        std::deque<weft::operation_call> waiting;
    };
    std::shared_ptr<calls> calls_ = std::make_shared<calls>();
};

// Which version of a workflow's code is deployed.
struct deployed
{
    int version = 1;
};

inline void nothing() { }
inline int  same(int n) { return n; }

inline std::vector<std::string> calls_of(weft::testing::environment const& env, std::string const& branch)
{
    std::vector<std::string> found;
    for (auto const& c : env.calls())
        if (c.starts_with(branch + '/'))
            found.push_back(c);
    return found;
}

// Digests differ with the arguments only; what a report says besides them is compared letter by letter.
inline std::string without_digests(std::string text)
{
    for (std::size_t i = 0; i + 16 <= text.size(); ++i)
        if (text.find_first_not_of("0123456789abcdef", i) >= i + 16)
            text.replace(i, 16, "DIGEST");
    return text;
}

}  // namespace workshop
