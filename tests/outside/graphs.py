"""Graph convolution and graph attention in plain PyTorch, for classifying molecules."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def add_self_loops(edge_index, num_nodes):
    loop = torch.arange(num_nodes, device=edge_index.device)
    return torch.cat([edge_index, torch.stack([loop, loop])], dim=1)


def scatter_softmax(src, index, num_nodes):
    """Softmax over all entries with the same index."""
    expanded = index.view(-1, 1).expand_as(src)
    top = src.new_full((num_nodes, src.size(1)), float("-inf"))
    top = top.scatter_reduce(0, expanded, src, reduce="amax")
    out = (src - top[index]).exp()
    total = torch.zeros_like(top).scatter_add_(0, expanded, out)
    return out / (total[index] + 1e-16)


class GCNConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.xavier_uniform_(self.lin.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x, edge_index):
        num_nodes = x.size(0)
        edge_index = add_self_loops(edge_index, num_nodes)
        row, col = edge_index
        deg = torch.zeros(num_nodes, dtype=x.dtype, device=x.device)
        deg.index_add_(0, col, torch.ones(col.size(0), dtype=x.dtype, device=x.device))
        deg_inv_sqrt = deg.pow(-0.5)
        deg_inv_sqrt[deg_inv_sqrt == float("inf")] = 0
        norm = deg_inv_sqrt[row] * deg_inv_sqrt[col]

        x = self.lin(x)
        out = torch.zeros_like(x)
        out.index_add_(0, col, norm.unsqueeze(-1) * x[row])
        return out + self.bias


class GATConv(nn.Module):
    def __init__(self, in_channels, out_channels, heads=1, negative_slope=0.2, dropout=0.0):
        super().__init__()
        self.heads = heads
        self.out_channels = out_channels
        self.negative_slope = negative_slope
        self.dropout = dropout
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_src = nn.Parameter(torch.Tensor(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.Tensor(1, heads, out_channels))
        self.bias = nn.Parameter(torch.Tensor(heads * out_channels))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.xavier_uniform_(self.lin.weight)
        nn.init.xavier_uniform_(self.att_src)
        nn.init.xavier_uniform_(self.att_dst)
        nn.init.zeros_(self.bias)

    def forward(self, x, edge_index):
        N, H, C = x.size(0), self.heads, self.out_channels
        src, dst = add_self_loops(edge_index, N)
        x = self.lin(x).view(N, H, C)
        alpha_src = (x * self.att_src).sum(dim=-1)
        alpha_dst = (x * self.att_dst).sum(dim=-1)
        alpha = F.leaky_relu(alpha_src[src] + alpha_dst[dst], self.negative_slope)
        alpha = scatter_softmax(alpha, dst, N)
        alpha = F.dropout(alpha, p=self.dropout, training=self.training)

        out = torch.zeros(N, H, C, device=x.device, dtype=x.dtype)
        out = out.index_add(0, dst, x[src] * alpha.unsqueeze(-1))
        return out.reshape(N, H * C) + self.bias


def global_mean_pool(x, batch, size):
    out = torch.zeros(size, x.size(1), dtype=x.dtype, device=x.device).index_add_(0, batch, x)
    count = torch.bincount(batch, minlength=size).clamp(min=1)
    return out / count.unsqueeze(1).to(x.dtype)


def global_max_pool(x, batch, size):
    out = x.new_full((size, x.size(1)), float("-inf"))
    return out.scatter_reduce(0, batch[:, None].expand(-1, x.size(1)), x, reduce="amax")


class GNN(nn.Module):
    def __init__(self, in_channels, hidden_channels, out_channels, num_layers=3, heads=2, dropout=0.5):
        super().__init__()
        self.dropout = dropout
        self.convs = nn.ModuleList([GCNConv(in_channels, hidden_channels)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(hidden_channels)])
        for _ in range(num_layers - 1):
            self.convs.append(GATConv(hidden_channels, hidden_channels // heads, heads=heads, dropout=dropout))
            self.norms.append(nn.BatchNorm1d(hidden_channels))
        self.lin1 = nn.Linear(2 * hidden_channels, hidden_channels)
        self.lin2 = nn.Linear(hidden_channels, out_channels)

    def forward(self, x, edge_index, batch=None):
        if batch is None:
            batch = torch.zeros(x.size(0), dtype=torch.long, device=x.device)
        size = int(batch.max()) + 1
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            h = F.relu(norm(conv(x, edge_index)))
            h = F.dropout(h, p=self.dropout, training=self.training)
            x = h if i == 0 else x + h
        x = torch.cat([global_mean_pool(x, batch, size), global_max_pool(x, batch, size)], dim=-1)
        x = F.relu(self.lin1(x))
        x = F.dropout(x, p=self.dropout, training=self.training)
        return F.log_softmax(self.lin2(x), dim=-1)
