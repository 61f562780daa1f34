// The attempts in memory, and how much more may come: what is on its way into the store to run here, and what
// the claim under way may bring, count as if they were here.
#pragma once

#include "workflow/attempt/attempt.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

class running
{
public:
    using attempts = std::unordered_map<std::string_view, boost::intrusive_ptr<attempt>>;

    explicit running(std::size_t most) : most_(most) { }

    // False: its transaction has one already.
    bool add(boost::intrusive_ptr<attempt> a)
    {
        bool const added = attempts_.emplace(a->gid(), a).second;
        tell_size();
        return added;
    }
    void remove(std::string const& gid)
    {
        attempts_.erase(gid);
        tell_size();
    }

    // As in a crash.
    void abandon_all()
    {
        for (auto& [gid, a] : std::exchange(attempts_, {}))
            a->abandon();
        tell_size();
    }

    bool contains(std::string_view gid) const { return attempts_.contains(gid); }

    // Null: none.
    boost::intrusive_ptr<attempt> find(std::string_view gid) const
    {
        auto const found = attempts_.find(gid);
        return found == attempts_.end() ? nullptr : found->second;
    }

    attempts const& all() const noexcept { return attempts_; }
    std::size_t     size() const noexcept { return attempts_.size(); }

    // Thread safety: any thread.
    std::size_t in_memory() const noexcept { return in_memory_.load(std::memory_order_relaxed); }

    // Transactions on their way into the store that will run here.
    void is_coming() noexcept { ++coming_; }
    void has_come() noexcept { --coming_; }

    // So many more may be claimed.
    std::size_t room() const noexcept
    {
        auto const taken = attempts_.size() + coming_;
        return taken >= most_ ? 0 : most_ - taken;
    }
    void claims(std::size_t n) noexcept { claimed_ = n; }

    // Whether one more may come.
    bool has_room() const noexcept { return attempts_.size() + coming_ + claimed_ < most_; }

private:
    void tell_size() noexcept { in_memory_.store(attempts_.size(), std::memory_order_relaxed); }

    attempts                 attempts_;  // key: the attempt's own gid
    std::atomic<std::size_t> in_memory_{0};
    std::size_t              coming_ = 0;
    std::size_t              claimed_ = 0;  // as many may come with the claim under way
    std::size_t              most_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
