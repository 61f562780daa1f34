// A store that does what another does: for tests that stand between it and the engine.
#pragma once

#include <weft/store.hpp>

#include <memory>
#include <string>

class forwarding_store : public weft::store
{
public:
    explicit forwarding_store(std::unique_ptr<weft::store> base) : base_(std::move(base)) { }

    std::vector<weft::write_result> apply(std::span<weft::write const> w, bool repeated) override { return base_->apply(w, repeated); }
    void           register_engine(std::string const& e, std::span<std::string const> w) override { base_->register_engine(e, w); }
    weft::beaten   beat(std::string const& e, std::span<std::string const> w) override { return base_->beat(e, w); }
    void           unregister_engine(std::string const& e) override { base_->unregister_engine(e); }
    bool           bury(std::string const& e, std::int64_t beats) override { return base_->bury(e, beats); }
    weft::released release_dead(std::size_t limit) override { return base_->release_dead(limit); }
    weft::claimed  claim(std::string const& e, std::span<std::string const> w, std::size_t limit, bool owned_too) override
    {
        return base_->claim(e, w, limit, owned_too);
    }
    std::vector<std::string>         cancel_requests(std::string const& e) override { return base_->cancel_requests(e); }
    std::uint64_t                    version() override { return base_->version(); }
    std::optional<weft::transaction> find(std::string_view gid, bool with_journal) override { return base_->find(gid, with_journal); }
    std::vector<weft::transaction>   list(weft::list_filter const& f) override { return base_->list(f); }
    std::vector<weft::transaction>   settled(std::span<std::string const> gids) override { return base_->settled(gids); }
    weft::made_due make_due(std::chrono::milliseconds later_than, std::size_t limit) override { return base_->make_due(later_than, limit); }
    std::size_t    purge(std::chrono::milliseconds older_than, std::size_t limit) override { return base_->purge(older_than, limit); }
    std::vector<weft::kv_row> kv(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit) override
    {
        return base_->kv(category, key, after, limit);
    }
    bool put_kv(std::string_view category, std::string_view key, std::string_view value, std::int64_t version) override
    {
        return base_->put_kv(category, key, value, version);
    }
    bool        remove_kv(std::string_view category, std::string_view key) override { return base_->remove_kv(category, key); }
    std::size_t operations_at_once() const noexcept override { return base_->operations_at_once(); }
    bool        mark(std::string const& nonce, bool present) override { return base_->mark(nonce, present); }
    std::optional<weft::transaction> create_within(std::any const& c, weft::create_write const& w) override
    {
        return base_->create_within(c, w);
    }
    void        interrupt() noexcept override { base_->interrupt(); }
    std::string id() override { return base_->id(); }
    std::string describe() const override { return base_->describe(); }

protected:
    std::unique_ptr<weft::store> base_;
};
