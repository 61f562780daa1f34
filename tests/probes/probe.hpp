// What the probes share: a type that counts its lives, a coroutine type of a few lines, and the driver.
//
// Nothing here comes from weft: a probe asks what the *compiler* does, so only the compiler may be in it.
#pragma once

#include <coroutine>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <span>
#include <utility>

namespace probe {

/// Counts constructions and destructions. It owns nothing, so that destroying one twice can be seen without dying of it.
struct tracked
{
    inline static int constructed = 0;
    inline static int destroyed = 0;

    int value = 0;

    tracked() { ++constructed; }
    explicit tracked(int v) : value{v} { ++constructed; }
    tracked(tracked const& other) : value{other.value} { ++constructed; }
    tracked(tracked&& other) noexcept : value{other.value} { ++constructed; }
    tracked& operator=(tracked const&) = default;
    tracked& operator=(tracked&&) noexcept = default;
    ~tracked() { ++destroyed; }
};

/// The least coroutine type that can be awaited: lazy, one result, resumes who awaited it when it ends.
template <class T>
class task
{
public:
    struct promise_type
    {
        std::optional<T>        result;
        std::coroutine_handle<> parent;

        task                get_return_object() { return task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct final_awaiter
        {
            bool await_ready() noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> self) noexcept
            {
                if (self.promise().parent)
                    self.promise().parent.resume();
            }
            void await_resume() noexcept { }
        };
        final_awaiter final_suspend() noexcept { return {}; }
        void          return_value(T value) { result.emplace(std::move(value)); }
        void          unhandled_exception() { std::terminate(); }
    };

    explicit task(std::coroutine_handle<promise_type> frame) : frame_{frame} { }
    task(task&& other) noexcept : frame_{std::exchange(other.frame_, {})} { }
    ~task()
    {
        if (frame_)
            frame_.destroy();
    }

    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> parent)
    {
        frame_.promise().parent = parent;
        frame_.resume();
    }
    T await_resume() { return std::move(*frame_.promise().result); }

    /// For the driver: runs to the end. Nothing in a probe waits for anything else.
    T run()
    {
        frame_.resume();
        return std::move(*frame_.promise().result);
    }

private:
    std::coroutine_handle<promise_type> frame_;
};

/// One form of expression: a coroutine to run, and whether it does what the form was written to do.
struct form
{
    char const* name;
    task<bool> (*run)();
};

struct observation
{
    bool right_value;
    int  constructed;
    int  destroyed;
    bool balanced() const { return right_value && constructed == destroyed; }
};

inline observation observe(form const& f)
{
    tracked::constructed = tracked::destroyed = 0;
    // The task is gone, with its frame, before the counters are read.
    bool right = f.run().run();
    return {right, tracked::constructed, tracked::destroyed};
}

/// main() of a probe: `probe NAME` judges one form (this is what ctest runs), `probe` alone prints them all.
/// `judge` returns whether the observation is what is documented.
template <class Judge>
int main_of(int argc, char** argv, std::span<form const> forms, Judge judge)
{
    bool as_documented = true, found = false;
    for (form const& f : forms)
    {
        if (argc > 1 && std::strcmp(argv[1], f.name) != 0)
            continue;
        found = true;
        observation const o = observe(f);
        bool const        k = judge(o);
        std::printf("%-40s constructed %d, destroyed %d, value %s: this compiler is %s%s\n", f.name, o.constructed, o.destroyed,
                    o.right_value ? "right" : "WRONG", o.balanced() ? "not affected" : "AFFECTED", k ? "" : "  <-- not as documented");
        as_documented = as_documented && k;
    }
    if (!found)
        std::printf("no form named %s\n", argv[1]);
    return found && as_documented ? 0 : 1;
}

}  // namespace probe
