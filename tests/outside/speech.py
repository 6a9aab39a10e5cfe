"""Speech recognition from the waveform: mel spectrogram, conformer blocks and a GRU, trained with CTC."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def hz_to_mel(freq):
    return 2595.0 * math.log10(1.0 + freq / 700.0)


def mel_to_hz(mels):
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)


def mel_filterbank(sample_rate, n_fft, n_mels, f_min=0.0, f_max=None):
    """Triangular filters, shape (n_mels, n_fft // 2 + 1)."""
    f_max = f_max or sample_rate / 2
    all_freqs = torch.linspace(0, sample_rate // 2, n_fft // 2 + 1)
    m_pts = torch.linspace(hz_to_mel(f_min), hz_to_mel(f_max), n_mels + 2)
    f_pts = mel_to_hz(m_pts)
    f_diff = f_pts[1:] - f_pts[:-1]
    slopes = f_pts.unsqueeze(0) - all_freqs.unsqueeze(1)
    down = -slopes[:, :-2] / f_diff[:-1]
    up = slopes[:, 2:] / f_diff[1:]
    return torch.clamp(torch.min(down, up), min=0.0).t().contiguous()


class MelSpectrogram(nn.Module):
    def __init__(self, sample_rate=16000, n_fft=400, hop_length=160, n_mels=80, preemphasis=0.97):
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.preemphasis = preemphasis
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("mel_basis", mel_filterbank(sample_rate, n_fft, n_mels))

    @torch.no_grad()
    def forward(self, waveform, lengths):
        if self.preemphasis:
            waveform = torch.cat([waveform[:, :1], waveform[:, 1:] - self.preemphasis * waveform[:, :-1]], dim=1)
        with torch.autocast(device_type=waveform.device.type, enabled=False):
            stft = torch.stft(
                waveform.float(),
                self.n_fft,
                self.hop_length,
                window=self.window,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )
            power = stft.abs() ** 2
            mel = torch.matmul(self.mel_basis, power)
            mel = torch.log(mel.clamp(min=1e-5))
        frames = torch.div(lengths, self.hop_length, rounding_mode="floor") + 1
        mask = torch.arange(mel.size(-1), device=mel.device)[None, :] >= frames[:, None]
        mel = mel.masked_fill(mask[:, None, :], 0.0)
        count = frames[:, None, None].to(mel.dtype)
        mean = mel.sum(-1, keepdim=True) / count
        var = ((mel - mean).masked_fill(mask[:, None, :], 0.0) ** 2).sum(-1, keepdim=True) / count
        mel = (mel - mean) / (var + 1e-5).sqrt()
        return mel.masked_fill(mask[:, None, :], 0.0), frames


class SpecAugment(nn.Module):
    def __init__(self, freq_masks=2, time_masks=2, freq_width=8, time_width=0.1):
        super().__init__()
        self.freq_masks = freq_masks
        self.time_masks = time_masks
        self.freq_width = freq_width
        self.time_width = time_width

    def mask_along_axis(self, spec, max_width, dim):
        size = spec.size(dim)
        width = torch.rand(spec.size(0), 1, device=spec.device) * max_width
        start = torch.rand(spec.size(0), 1, device=spec.device) * (size - width)
        pos = torch.arange(size, device=spec.device)[None, :]
        mask = (pos >= start) & (pos < start + width)
        mask = mask.unsqueeze(1 if dim == 2 else 2)
        return spec.masked_fill(mask, 0.0)

    def forward(self, spec):
        if not self.training:
            return spec
        for _ in range(self.freq_masks):
            spec = self.mask_along_axis(spec, self.freq_width, 1)
        for _ in range(self.time_masks):
            spec = self.mask_along_axis(spec, max(1, int(self.time_width * spec.size(2))), 2)
        return spec


class ConvSubsampling(nn.Module):
    """Two strided convolutions: a quarter of the frames."""

    def __init__(self, n_mels, channels, d_model):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        freq = n_mels
        for _ in range(2):
            freq = (freq - 1) // 2 + 1
        self.out = nn.Linear(channels * freq, d_model)

    def forward(self, x, lengths):
        x = self.conv(x.unsqueeze(1))
        b, c, f, t = x.size()
        x = self.out(x.permute(0, 3, 1, 2).reshape(b, t, c * f))
        for _ in range(2):
            lengths = torch.div(lengths - 1, 2, rounding_mode="floor") + 1
        return x, lengths


class FeedForward(nn.Module):
    def __init__(self, d_model, expansion=4, dropout=0.1):
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(d_model),
            nn.Linear(d_model, d_model * expansion),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(d_model * expansion, d_model),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        return self.net(x)


class ConvModule(nn.Module):
    def __init__(self, d_model, kernel_size=15, dropout=0.1):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.pointwise1 = nn.Conv1d(d_model, 2 * d_model, 1)
        self.depthwise = nn.Conv1d(d_model, d_model, kernel_size, padding=(kernel_size - 1) // 2, groups=d_model)
        self.bn = nn.BatchNorm1d(d_model)
        self.pointwise2 = nn.Conv1d(d_model, d_model, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, pad_mask):
        x = self.norm(x).transpose(1, 2)
        x = F.glu(self.pointwise1(x), dim=1)
        x = x.masked_fill(pad_mask.unsqueeze(1), 0.0)
        x = F.silu(self.bn(self.depthwise(x)))
        x = self.pointwise2(x)
        return self.dropout(x.transpose(1, 2))


class ConformerBlock(nn.Module):
    def __init__(self, d_model, n_heads, kernel_size=15, dropout=0.1):
        super().__init__()
        self.ff1 = FeedForward(d_model, dropout=dropout)
        self.attn_norm = nn.LayerNorm(d_model)
        self.attn = nn.MultiheadAttention(d_model, n_heads, dropout=dropout, batch_first=True)
        self.attn_dropout = nn.Dropout(dropout)
        self.conv = ConvModule(d_model, kernel_size, dropout)
        self.ff2 = FeedForward(d_model, dropout=dropout)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x, pad_mask):
        x = x + 0.5 * self.ff1(x)
        y = self.attn_norm(x)
        y, _ = self.attn(y, y, y, key_padding_mask=pad_mask, need_weights=False)
        x = x + self.attn_dropout(y)
        x = x + self.conv(x, pad_mask)
        x = x + 0.5 * self.ff2(x)
        return self.norm(x)


class SpeechRecognizer(nn.Module):
    def __init__(
        self, n_classes, n_mels=80, d_model=144, n_heads=4, n_layers=4, kernel_size=15, channels=32, dropout=0.1
    ):
        super().__init__()
        self.frontend = MelSpectrogram(n_mels=n_mels)
        self.spec_augment = SpecAugment()
        self.subsample = ConvSubsampling(n_mels, channels, d_model)
        self.layers = nn.ModuleList([ConformerBlock(d_model, n_heads, kernel_size, dropout) for _ in range(n_layers)])
        self.gru = nn.GRU(d_model, d_model // 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(d_model, n_classes)

    def forward(self, waveform, lengths):
        x, lengths = self.frontend(waveform, lengths)
        x = self.spec_augment(x)
        x, lengths = self.subsample(x, lengths)
        pad_mask = torch.arange(x.size(1), device=x.device)[None, :] >= lengths[:, None]
        for layer in self.layers:
            x = layer(x, pad_mask)
        x, _ = self.gru(x)
        return F.log_softmax(self.fc(x), dim=-1), lengths
