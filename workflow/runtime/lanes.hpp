// Where calls that block run: on one lane one after the other, on another one meanwhile. What hangs on one
// holds up no other.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

enum class lane : std::uint8_t
{
    writes,      // the committer's batches, and claims
    beats,       // heartbeats, and nothing else
    reads,       // looks of the engine's own: each is short
    questions,   // what people ask for: lists and the like may take long
    upkeep,      // what dead engines left behind
    sweeps,      // prepared XA transactions
    operations,  // operations in the store's own database: several at once
};

// Thread safety: any thread.
class lanes
{
public:
    // `shared`: all of them are this one. Empty: each has threads of its own, made when there is something
    // for them to do.
    lanes(boost::asio::any_io_executor shared, std::size_t operations_at_once)
        : shared_(std::move(shared))
        , operations_(std::max<std::size_t>(1, operations_at_once))
    { }

    boost::asio::any_io_executor at(lane l)
    {
        if (shared_)
            return shared_;
        std::lock_guard lock(mutex_);
        return in(pools_[static_cast<std::size_t>(l)], l == lane::operations ? operations_ : 1);
    }

    // For questions to a participant, each of which has a thread of its own: the first may never be answered.
    boost::asio::any_io_executor at_participant(void const* which)
    {
        if (shared_)
            return shared_;
        std::lock_guard lock(mutex_);
        return in(participants_[which], 1);
    }

    // Waits for what has been begun. What is begun later never runs. What has not returned after `patience`
    // is broken off by `interrupt`, and again each time that `again_after` has passed.
    template <class Interrupt>
    void join(std::chrono::milliseconds patience, std::chrono::milliseconds again_after, Interrupt interrupt)
    {
        std::vector<pool*> all;
        {
            std::lock_guard lock(mutex_);
            closed_ = true;
            for (auto& [which, p] : participants_)
                all.push_back(p.get());
            for (auto& p : pools_)
                all.push_back(p.get());
        }
        auto const returned = std::async(std::launch::async, [&all] {
            for (auto* p : all)
                if (p)
                    p->join();
        });
        for (auto wait = patience; returned.wait_for(wait) != std::future_status::ready; wait = again_after)
            interrupt();
    }

private:
    using pool = boost::asio::thread_pool;

    boost::asio::any_io_executor in(std::unique_ptr<pool>& p, std::size_t threads)
    {
        if (!p)
        {
            p = std::make_unique<pool>(threads);
            if (closed_)
                p->join();
        }
        return p->get_executor();
    }

    boost::asio::any_io_executor                 shared_;
    std::size_t                                  operations_;
    std::mutex                                   mutex_;
    bool                                         closed_ = false;
    std::array<std::unique_ptr<pool>, 7>         pools_;
    std::map<void const*, std::unique_ptr<pool>> participants_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
