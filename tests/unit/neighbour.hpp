// Two engines on one store, in virtual time: the environment's own, and another one that a test lets come and go.
#pragma once

#include <weft/counters.hpp>
#include <weft/testing/environment.hpp>

#include <array>
#include <exception>
#include <memory>
#include <utility>

namespace workshop {

class another_engine
{
public:
    explicit another_engine(weft::testing::environment& env, weft::engine_options options = {})
        : engine(env.get_executor(), env.store(), in_the_world_of(env, std::move(options)))
    { }
    void run()
    {
        engine.run([](std::exception_ptr) {});
    }
    weft::engine engine;

private:
    static weft::engine_options in_the_world_of(weft::testing::environment& env, weft::engine_options o)
    {
        o.clock = std::shared_ptr<weft::clock>(std::shared_ptr<void>(), &env.clock());
        o.store_executor = env.get_executor();
        o.seed = 4711;
        return o;
    }
};

// Where an answer of the engine goes.
template <class T>
struct answer
{
    bool               there = false;
    std::exception_ptr error;
    T                  value{};

    auto slot()
    {
        return [this](std::exception_ptr e, T v) {
            there = true;
            error = e;
            value = std::move(v);
        };
    }
    std::string what() const
    {
        try
        {
            if (error)
                std::rethrow_exception(error);
        }
        catch (std::exception const& e)
        {
            return e.what();
        }
        return {};
    }
    template <class E>
    bool is(auto expected) const
    {
        try
        {
            if (error)
                std::rethrow_exception(error);
        }
        catch (E const& e)
        {
            return expected(e);
        }
        catch (...)
        { }
        return false;
    }
};

struct tally final : weft::counters
{
    std::array<std::uint64_t, event_count> counts{};
    void                                   count(event e, std::uint64_t n) noexcept override { counts[static_cast<std::size_t>(e)] += n; }
    std::uint64_t                          of(event e) const { return counts[static_cast<std::size_t>(e)]; }
};

}  // namespace workshop
