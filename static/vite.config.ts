import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import Components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` finds a running server. */
const server = process.env.CARREL_URL ?? 'http://127.0.0.1:50004'

export default defineConfig({
  plugins: [
    vue(),
    // Only the Element Plus components that a page uses enter its chunk; the style sheet is loaded whole.
    Components({ dirs: [], resolvers: [ElementPlusResolver({ importStyle: false })], dts: false }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    // noVNC waits for a codec probe at the top of a module.
    target: 'es2022',
    // ECharts and Swagger UI are big by nature; both load only where they are shown.
    chunkSizeWarningLimit: 1600,
    rolldownOptions: { input: { console: 'index.html', docs: 'docs.html' } },
  },
  server: {
    proxy: {
      '/api': { target: server, secure: false, ws: true },
      // Registering is a call of document 000; what lies below is a page.
      '^/account/?(\\?|$)': { target: server, secure: false },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
})
